"""Whether the databases can be reached, and are where this code needs them; for ``/health``."""

from functools import cache
from threading import Lock
from typing import Any

from alembic.script import ScriptDirectory
from alembic.util import CommandError
from flask import current_app
from sqlalchemy import Engine, String, column, inspect, select, table
from sqlalchemy.exc import SQLAlchemyError

from .db import db
from .migrations import alembic_config, read

# Alembic has one environment at a time for the whole process.
lock = Lock()


def health() -> dict[str, dict[str, Any]]:
    """Return the state of each database of the current app by name, ready for JSON.

    It is ``ok`` if it can be reached and is at ``heads``. It also is if newer code has migrated it,
    which is about to replace this. No migration is waited for.
    """
    tables = version_tables()
    return {
        name: state(engine, tables.get(name))
        for name, engine in ((name or "default", db.engines[name]) for name in db.engines)
    }


def state(engine: Engine, version_table: tuple[str, str | None] | None) -> dict[str, Any]:
    """Return the state of a database.

    :param version_table: its name and its schema; None if the database is not migrated
    """
    heads, known = revisions() if version_table else (set(), set())
    current: set[str] = set()
    try:
        with engine.connect() as connection:
            if version_table and inspect(connection).has_table(*version_table):
                name, schema = version_table
                version = column("version_num", String)
                rows = select(version).select_from(table(name, schema=schema))
                current = {*connection.scalars(rows)}
        reachable = True
    except SQLAlchemyError:
        reachable = False
    return {
        "ok": reachable and (current == heads or not current <= known),
        "reachable": reachable,
        "current": sorted(current),
        "heads": sorted(heads),
    }


@cache
def revisions() -> tuple[set[str], set[str]]:
    """Return the heads, and all revisions there are; the files are read once."""
    script = ScriptDirectory.from_config(alembic_config())
    return {*script.get_heads()}, {revision.revision for revision in script.walk_revisions()}


def version_tables() -> dict[str, tuple[str, str | None]]:
    """Return the name and the schema of each database's version table, as env.py has it.

    env.py is run once for an app, as soon as all databases can be reached.
    """
    tables: dict[str, tuple[str, str | None]] | None
    with lock:
        tables = current_app.extensions.get("version_tables")
        if tables is None:
            try:
                tables = read(lambda found: (found.version_table, found.version_table_schema))
            except CommandError:
                return {name or "default": ("alembic_version", None) for name in db.engines}
            current_app.extensions["version_tables"] = tables
    return tables
