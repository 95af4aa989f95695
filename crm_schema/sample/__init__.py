"""The sample data: a published B2B sales pipeline, read strictly and turned into Parse objects.

`reader.read_pipeline` reads the four CSV files, `objects.object_batches` turns the result into objects in
Parse's REST form. Both are pure: they open no database, so a caller can look at the report before anything is
stored.
"""
