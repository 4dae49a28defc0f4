"""How a revision is written from the models: what is compared, asked, put in order and said.

``hooks.py`` is what Alembic calls; the other files are what it does, one idea each.
"""
