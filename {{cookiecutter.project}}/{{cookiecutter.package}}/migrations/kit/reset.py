"""Begins anew: drops what is in the databases and migrates them from the start: ``flask db reset``."""

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
from .plan import quiet
from .progress import url_of


def reset(yes: bool = False) -> None:
    """Drop what is in the databases and upgrade them; ``yes``: even if the app has no debug mode."""
    start_over(alembic_config(stdout=StringIO()), yes)


def start_over(config: Config, yes: bool) -> None:
    urls = read(lambda migration: url_of(migration.connection), quiet(config))
    named = " and ".join(f"{name} at {url}" for name, url in urls.items())
    if not (yes or current_app.debug):
        raise CommandError(
            f"All tables and rows of database {named} would be dropped: this is for development. Say "
            "flask --debug db reset, or --yes."
        )
    config.print_stdout("Dropping all of database %s", named)
    script = ScriptDirectory.from_config(config)
    goal = {"destination_rev": "base", "dont_mutate": True}  # to be locked, as what changes it
    with lock, EnvironmentContext(config, script, fn=drop, **goal):
        script.run_env()
    command.upgrade(config, "heads")


def drop(_: object, migration: MigrationContext) -> list[Any]:
    """Drop what the app has in a database; what env.py leaves to others stays."""
    connection: Any = migration.connection
    filters, metadata, backend = (
        AutogenContext(migration),
        MetaData(),
        backend_of(migration.dialect),
    )
    own = {migration.version_table, log_name(migration.version_table)}
    schemas = {None, *(table.schema for table in filters.sorted_tables)}
    for schema in schemas:
        metadata.reflect(connection, schema, resolve_fks=False)
    tables = [
        table
        for table in metadata.tables.values()
        if table.name in own or filters.run_object_filters(table, table.name, "table", True, None)
    ]
    for is_over in (False, True):  # views stand on tables, and tables on types
        for statement in backend.others(connection, schemas):
            connection.execute(text(statement))
        if not is_over:
            metadata.drop_all(connection, tables)
    return []
