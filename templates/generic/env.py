"""What Alembic migrates, and how: this file is yours to edit.

Alembic runs it for every command that needs the models or the database.
https://alembic.sqlalchemy.org/en/latest/api/runtime.html
"""

import logging
from logging.config import fileConfig
from typing import Any

from alembic import context
from flask import current_app, has_app_context

from {{ cookiecutter.package }} import create_app
from {{ cookiecutter.package }}.db import db
from {{ cookiecutter.package }}.migrations import autogenerate
from {{ cookiecutter.package }}.migrations.errors import url_errors
from {{ cookiecutter.package }}.migrations.guard import guarded
from {{ cookiecutter.package }}.migrations.progress import show_progress

config = context.config

# What autogenerate compares the database with: one MetaData or a list of several.
target_metadata = db.metadata
# Tables that belong to somebody else: autogenerate leaves them alone.
IGNORED_TABLES: set[str] = set()


def options(dialect: str) -> dict[str, Any]:
    """Return what is passed to ``context.configure()``, under the app's ``ALEMBIC_CONTEXT``."""
    return {
        "target_metadata": target_metadata,
        "include_schemas": True,
        "include_name": autogenerate.schemas_of(target_metadata),
        "include_object": autogenerate.all_but(IGNORED_TABLES),
        "process_revision_directives": autogenerate.process_revision_directives,
        "compare_server_default": True,
        "autogenerate_plugins": autogenerate.PLUGINS,
        # The ALTER TABLE of SQLite can do little, and guard.py begins its transactions.
        "render_as_batch": dialect == "sqlite",
        "transactional_ddl": dialect == "sqlite" or None,
        **current_app.config.get("ALEMBIC_CONTEXT", {}),
    }


def run_migrations_offline() -> None:
    """Write the SQL (``--sql``) without connecting."""
    context.configure(
        url=db.engine.url,
        literal_binds=True,
        dialect_opts={"paramstyle": "named"},
        **options(db.engine.dialect.name),
    )
    with context.begin_transaction():
        context.run_migrations()


def run_migrations_online() -> None:
    """Migrate through the app's own engine."""
    with guarded(db.engine) as connection:
        context.configure(connection=connection, **options(connection.dialect.name))
        show_progress()
        with context.begin_transaction():
            context.run_migrations()


run_migrations = run_migrations_offline if context.is_offline_mode() else run_migrations_online

# A command sets up what is logged, unless the app has.
if config.cmd_opts and config.config_file_name and not logging.root.handlers:
    fileConfig(config.config_file_name, disable_existing_loggers=False)

if has_app_context():  # `flask db`, a test or a script migrates its own app
    run_migrations()
else:
    with url_errors(), create_app().app_context():
        run_migrations()
