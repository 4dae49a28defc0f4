"""How a revision is written from the models: Alembic calls what is in filters.py and hooks.py."""
