"""One PostgreSQL and Ringway before four shards get the same statements; their answers must be the same. See run.py."""
