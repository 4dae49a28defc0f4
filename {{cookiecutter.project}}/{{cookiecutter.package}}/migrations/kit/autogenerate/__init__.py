"""How a revision is written from the models: what is compared, asked, put in order and said.

``filters.py`` and ``hooks.py`` are what Alembic calls; the other files are what they do, one idea each.
"""
