"""A CRM on Parse's data model: the schema, the pipeline's stages, and a published sales pipeline as sample.

`crm_schema.stages` names the stages of a deal and the types of an activity. `crm_schema/schema/` holds the
declarations as JSON: the template's classes as published, what this package adds to them, and what the sample
adds. `crm_schema.sample` reads the sample and turns it into Parse objects.
"""
