"""Drops what is in the databases, and migrates them from empty: ``flask db reset``."""

from io import StringIO
from typing import Any

from alembic import command
from alembic.autogenerate.api import AutogenContext
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from flask import current_app
from sqlalchemy import MetaData, text

from .api import alembic_config, read, run_env
from .backends import backend_of
from .log import log_table
from .progress import url_of


def reset(yes: bool = False, config: Config | None = None) -> None:
    """Drop what is in the databases, and upgrade them.

    :param yes: also if the app is not in debug mode
    """
    config = config or alembic_config(stdout=StringIO())
    urls = read(lambda migration: url_of(migration.connection), config)
    named = " and ".join(f"{name} at {url}" for name, url in urls.items())
    if not (yes or current_app.debug):
        dropped = f"This drops everything in database {named}, and is meant for development"
        raise CommandError(f"{dropped}: run flask --debug db reset, or add --yes.")
    config.print_stdout("Dropping everything in database %s", named)
    run_env(config, drop, destination_rev="base", dont_mutate=True, purge=True)  # a goal: it locks
    command.upgrade(config, "heads")


def drop(_: object, migration: MigrationContext) -> list[Any]:
    """Drop what the app has in a database, but not the tables that env.py ignores."""
    connection: Any = migration.connection
    filters = AutogenContext(migration)
    own = {migration.version_table, log_table(migration.version_table).name}
    schemas = {None, *(table.schema for table in filters.sorted_tables)}
    metadata = MetaData()
    for schema in schemas:
        found = MetaData()  # of its own: to drop some of its tables would drop the types of all
        found.reflect(connection, schema, resolve_fks=False)
        tables, is_ours = found.tables.values(), filters.run_object_filters
        names = [t.name for t in tables if t.name in own or is_ours(t, t.name, "table", True, None)]
        metadata.reflect(connection, schema, only=names, resolve_fks=False)
    drop_others(connection, schemas)  # views stand on tables, and tables on types
    metadata.drop_all(connection)
    drop_others(connection, schemas)
    return []


def drop_others(connection: Any, schemas: set[str | None]) -> None:
    while found := backend_of(connection.dialect).others(connection, schemas):
        for statement in found:  # what they stand on is found next
            connection.execute(text(statement))
