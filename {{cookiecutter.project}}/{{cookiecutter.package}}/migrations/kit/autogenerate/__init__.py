"""How a revision is written from the models: Alembic calls filters.py and hooks.py, these the rest."""
