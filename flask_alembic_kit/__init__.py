"""The command ``flask-alembic-kit``: what people do once with the kit, or once a year."""
