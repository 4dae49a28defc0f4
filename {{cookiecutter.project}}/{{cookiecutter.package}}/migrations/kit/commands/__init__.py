"""What ``flask db`` offers: Alembic's commands, also as functions, and some that it does not have."""
