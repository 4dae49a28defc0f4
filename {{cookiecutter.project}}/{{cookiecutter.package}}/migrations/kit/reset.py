"""Starts over: drops what is in the databases, and migrates them from empty: ``flask db reset``."""

from io import StringIO
from typing import Any

from alembic import command
from alembic.autogenerate.api import AutogenContext
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from flask import current_app
from sqlalchemy import MetaData, text

from .api import alembic_config, lock, read
from .backends import backend_of
from .log import log_name
from .progress import url_of


def reset(yes: bool = False) -> None:
    """Drop what is in the databases, and upgrade them.

    :param yes: also if the app is not in debug mode
    """
    start_over(alembic_config(stdout=StringIO()), yes)


def start_over(config: Config, yes: bool) -> None:
    urls = read(lambda migration: url_of(migration.connection), config)
    named = " and ".join(f"{name} at {url}" for name, url in urls.items())
    if not (yes or current_app.debug):
        dropped = (
            f"All tables and rows of database {named} would be dropped: this is for development."
        )
        raise CommandError(f"{dropped} Say flask --debug db reset, or --yes.")
    config.print_stdout("Dropping all of database %s", named)
    script = ScriptDirectory.from_config(config)
    goal = {"destination_rev": "base", "dont_mutate": True}  # to be locked, as what changes it
    with lock, EnvironmentContext(config, script, fn=drop, **goal):
        script.run_env()
    command.upgrade(config, "heads")


def drop(_: object, migration: MigrationContext) -> list[Any]:
    """Drop what the app has in a database, but not the tables that env.py ignores."""
    connection: Any = migration.connection
    filters = AutogenContext(migration)
    own = {migration.version_table, log_name(migration.version_table)}
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
