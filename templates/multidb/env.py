"""What Alembic migrates, and how: this file is yours to edit.

Alembic runs it for every command that needs the models or the databases.
https://alembic.sqlalchemy.org/en/latest/api/runtime.html
"""

import logging
from contextlib import ExitStack
from io import StringIO
from pathlib import Path
from typing import Any

from alembic import context
from alembic.util import CommandError
from flask import current_app
from sqlalchemy.engine import Connection, Dialect, Engine

{{ cookiecutter.__imports }}
from {{ cookiecutter.__migrations }}.kit import environment as kit

logger = logging.getLogger("alembic.env")

# Databases that the app only reads: they are not migrated.
READ_ONLY: set[str] = set()
# Whether all commit or none even if a server fails then: PostgreSQL, max_prepared_transactions > 0.
TWO_PHASE = False
# Tables that belong to somebody else: autogenerate leaves them alone.
IGNORED_TABLES: set[str] = set(){{ cookiecutter.__definitions }}


def databases() -> dict[str, Engine]:
    """Return the app's engines by name: all, or those that ``-x database=NAME`` names."""
    engines = kit.all_databases(db)
    named = {x.partition("=")[2] for x in context.get_x_argument() if x.startswith("database=")}
    chosen = named or {*engines} - READ_ONLY
    if unknown := chosen - {*engines}:
        raise CommandError(f"No database {', '.join(unknown)}: there is {', '.join(engines)}.")
    return {name: engine for name, engine in engines.items() if name in chosen}


def options(name: str, dialect: Dialect, host: str) -> dict[str, Any]:
    """Return what is passed to ``context.configure()``; the last one wins."""
    # What autogenerate compares the database with: one MetaData or a list of several.
    target_metadata = {{ cookiecutter.__metadatas }}[name]
    return {
        **kit.options(dialect, name, [*databases()]),
        "target_metadata": target_metadata,
        "include_schemas": True,
        "include_name": kit.schemas_of(target_metadata),
        "include_object": kit.all_but(IGNORED_TABLES{{ cookiecutter.__include_object }}),
        "compare_server_default": {{ cookiecutter.__server_default }},{{ cookiecutter.__options }}
        # A database that has two names has a version table for each of them.
        "version_table": "alembic_version" if host == name else f"alembic_version_{name}",
        **current_app.config.get("ALEMBIC_CONTEXT", {}),
    }


def run_migrations_offline() -> None:
    """Write the SQL (``--sql``) without connecting, one file ``NAME.sql`` a database."""
    hosts = kit.hosts(kit.all_databases(db), databases())
    scripts = {name: StringIO() for name in databases()}
    for name, engine in databases().items():
        context.configure(
            url=engine.url,
            literal_binds=True,
            dialect_opts={"paramstyle": "named"},
            output_buffer=scripts[name],
            **options(name, engine.dialect, hosts[name]),
        )
        with context.begin_transaction():
            kit.run_revisions(name)
    for name, script in scripts.items():
        if context.config.output_buffer:  # of a script that calls Alembic
            context.config.output_buffer.write(script.getvalue())
        else:
            logger.info("Writing %s.sql", name)
            Path(f"{name}.sql").write_text(script.getvalue(), encoding="utf-8")


def run_migrations_online() -> None:
    """Migrate through the app's own engines; commit only when all databases are done."""
    hosts = kit.hosts(kit.all_databases(db), databases())
    guarded: dict[str, Connection] = {}
    with ExitStack() as stack:
        enter = stack.enter_context
        for name, engine in databases().items():
            guarded[name] = enter(kit.guarded(engine, name, guarded.get(hosts[name])))
        for name, connection in guarded.items():
            chosen = options(name, connection.dialect, hosts[name])
            context.configure(connection=connection, **chosen)
            kit.show_progress(name)
            if TWO_PHASE and not connection.in_transaction():
                connection.begin_twophase(kit.transaction_of(name))
            enter(context.begin_transaction())
            kit.run_revisions(name)
        for connection, name in {guarded[name]: name for name in guarded}.items():
            kit.prepare(connection, name)


with kit.app_context({{ cookiecutter.__app }}):
    if context.is_offline_mode():
        run_migrations_offline()
    else:
        kit.retry(run_migrations_online)
