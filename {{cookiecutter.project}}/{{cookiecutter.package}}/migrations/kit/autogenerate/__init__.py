"""How a revision is written from the models: compare, ask, put in order, warn.

``filters.py`` and ``hooks.py`` are what Alembic calls; the other files are what they do, one idea each.
"""
