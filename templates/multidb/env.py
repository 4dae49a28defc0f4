"""What Alembic migrates, and how: this file is yours to edit.

Alembic runs it for every command that needs the models or the databases.
https://alembic.sqlalchemy.org/en/latest/api/runtime.html
"""

import logging
from contextlib import ExitStack
from io import StringIO
from logging.config import fileConfig
from pathlib import Path
from typing import Any

from alembic import context
from alembic.util import CommandError
from flask import current_app, has_app_context
from sqlalchemy import Engine

from {{ cookiecutter.package }} import create_app
from {{ cookiecutter.package }}.db import db
from {{ cookiecutter.package }}.migrations import autogenerate
from {{ cookiecutter.package }}.migrations.errors import url_errors
from {{ cookiecutter.package }}.migrations.guard import guarded, prepare
from {{ cookiecutter.package }}.migrations.progress import show_progress
from {{ cookiecutter.package }}.migrations.revisions import run_revisions

config = context.config
logger = logging.getLogger("alembic.env")

# Databases that the app only reads: they are not migrated.
READ_ONLY: set[str] = set()
# Whether all commit or none even if a server fails then: PostgreSQL, max_prepared_transactions > 0.
TWO_PHASE = False
# Tables that belong to somebody else: autogenerate leaves them alone.
IGNORED_TABLES: set[str] = set()


def databases() -> dict[str, Engine]:
    """Return the app's engines by name: all, or those that ``-x database=NAME`` names."""
    engines = {"default": db.engine} | {name or "default": db.engines[name] for name in db.engines}
    named = {x.partition("=")[2] for x in context.get_x_argument() if x.startswith("database=")}
    chosen = named or {*engines} - READ_ONLY
    if unknown := chosen - {*engines}:
        raise CommandError(f"No database {', '.join(unknown)}: there is {', '.join(engines)}.")
    return {name: engine for name, engine in engines.items() if name in chosen}


def options(name: str, engine: Engine) -> dict[str, Any]:
    """Return what is passed to ``context.configure()``, under the app's ``ALEMBIC_CONTEXT``."""
    # What autogenerate compares the database with: one MetaData or a list of several.
    target_metadata = {**db.metadatas, "default": db.metadata}[name]
    is_guest = name != "default" and engine.url == db.engine.url  # two names for one database
    return {
        "database": name,
        "target_metadata": target_metadata,
        "upgrade_token": f"{name}_upgrades",
        "downgrade_token": f"{name}_downgrades",
        "template_args": {"databases": [*databases()]},
        "include_schemas": True,
        "include_name": autogenerate.schemas_of(target_metadata),
        "include_object": autogenerate.all_but(IGNORED_TABLES),
        "process_revision_directives": autogenerate.process_revision_directives,
        "compare_server_default": True,
        "autogenerate_plugins": autogenerate.PLUGINS,
        "version_table": f"alembic_version_{name}" if is_guest else "alembic_version",
        # The ALTER TABLE of SQLite can do little, and guard.py begins its transactions.
        "render_as_batch": engine.dialect.name == "sqlite",
        "transactional_ddl": engine.dialect.name == "sqlite" or None,
        **current_app.config.get("ALEMBIC_CONTEXT", {}),
    }


def run_migrations_offline() -> None:
    """Write the SQL (``--sql``) without connecting, one file ``NAME.sql`` a database."""
    scripts: dict[str, StringIO] = {}
    for name, engine in databases().items():
        context.configure(
            url=engine.url,
            literal_binds=True,
            dialect_opts={"paramstyle": "named"},
            output_buffer=scripts.setdefault(name, StringIO()),
            **options(name, engine),
        )
        with context.begin_transaction():
            run_revisions(name)
    for name, script in scripts.items():
        logger.info("Writing %s.sql", name)
        Path(f"{name}.sql").write_text(script.getvalue(), encoding="utf-8")


def run_migrations_online() -> None:
    """Migrate through the app's own engines; commit only when all databases are done."""
    with ExitStack() as stack:
        enter = stack.enter_context
        connections = {name: enter(guarded(engine, name)) for name, engine in databases().items()}
        for name, connection in connections.items():
            logger.info("Database %s", name)
            context.configure(connection=connection, **options(name, connection.engine))
            show_progress(name)
            if TWO_PHASE:
                connection.begin_twophase()
            enter(context.begin_transaction())
            run_revisions(name)
        for name, connection in connections.items():
            prepare(connection, name)


run_migrations = run_migrations_offline if context.is_offline_mode() else run_migrations_online

# A command sets up what is logged, unless the app has.
if config.cmd_opts and config.config_file_name and not logging.root.handlers:
    fileConfig(config.config_file_name, disable_existing_loggers=False)

if has_app_context():  # `flask db`, a test or a script migrates its own app
    run_migrations()
else:
    with url_errors(), create_app().app_context():
        run_migrations()
