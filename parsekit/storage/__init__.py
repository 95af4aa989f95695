"""Where objects live: one SQLite file. The only package that speaks SQL; ``store`` is its door."""
