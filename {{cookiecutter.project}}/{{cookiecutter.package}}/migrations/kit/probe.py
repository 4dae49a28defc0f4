"""The answer of ``/health``: whether the databases can be reached, and are where the code needs them."""

from functools import cache
from typing import Any

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from flask import current_app
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from .api import alembic_config, lock, read
from .log import Log


def states() -> dict[str, dict[str, Any]]:
    """Return the state of each database of the current app, by its name.

    :raises CommandError: if the app has no extension with engines, and env.py cannot reach a database
    """
    extension: Any = current_app.extensions.get("sqlalchemy")
    if extension is None:
        with lock:
            found = read(lambda found: found.connection.engine)  # type: ignore[union-attr]
    else:  # that of Flask-SQLAlchemy 2 has .db
        found = getattr(extension, "engines", None) or {"default": extension.db.engine}
    engines = {name or "default": engine for name, engine in found.items()}
    tables = version_tables([*engines])
    return {name: state(engine, tables.get(name)) for name, engine in engines.items()}


def state(engine: Engine, version_table: dict[str, Any] | None) -> dict[str, Any]:
    """Return the state of a database; without a version table, whether it can be reached."""
    heads, known = revisions() if version_table else (set(), set())
    current: set[str] = set()
    try:
        with engine.connect() as connection:
            if version_table:
                migration = MigrationContext.configure(connection, opts=version_table)
                current = {*migration.get_current_heads()}
            if current == heads:
                status = "ok"
            elif current <= known:
                status = "behind"
            else:
                status = "newer" if Log(migration).is_newer(current, heads) else "unknown"
    except SQLAlchemyError:
        status = "unreachable"
    is_ok, is_reachable = status in ("ok", "newer"), status != "unreachable"
    states = {"ok": is_ok, "status": status, "reachable": is_reachable}
    return {**states, "current": sorted(current), "heads": sorted(heads)}


@cache
def revisions() -> tuple[set[str], set[str]]:
    """Return the heads, and all revisions there are; the files are read once."""
    script = ScriptDirectory.from_config(alembic_config())
    return {*script.get_heads()}, {revision.revision for revision in script.walk_revisions()}


def version_tables(names: list[str]) -> dict[str, dict[str, Any]]:
    """Return the version table of each database as env.py has it, as options of Alembic.

    env.py is run once for an app, as soon as all databases can be reached.
    """
    keys = ("version_table", "version_table_schema")
    with lock:
        tables: dict[str, dict[str, Any]] | None = current_app.extensions.get("version_tables")
        if tables is None:
            try:
                tables = read(lambda found: {key: getattr(found, key) for key in keys})
            except CommandError:
                return {name: {"version_table": "alembic_version"} for name in names}
            current_app.extensions["version_tables"] = tables
    return tables
