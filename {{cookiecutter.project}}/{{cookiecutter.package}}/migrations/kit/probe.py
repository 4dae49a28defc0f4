"""The answer of ``/health``: whether each database can be reached, and has the revision of the code."""

from contextlib import suppress
from functools import cache
from typing import Any

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import current_app
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError

from .api import alembic_config, lock, read
from .log import Log


def states() -> dict[str, dict[str, Any]]:
    found = configured()
    extension: Any = current_app.extensions.get("sqlalchemy")
    if extension is not None:  # that of Flask-SQLAlchemy 2 has .db
        engines = getattr(extension, "engines", None) or {"default": extension.db.engine}
    elif found:
        engines = {name: engine for name, (engine, _) in found.items()}
    else:
        return {"default": answer("unreachable", set(), set())}
    others = None if found else {"version_table": "alembic_version"}
    tables = {name: table for name, (_, table) in found.items()}
    named = ((name or "default", engine) for name, engine in engines.items())
    return {name: state(engine, tables.get(name, others)) for name, engine in named}


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
    except Exception as error:  # noqa: BLE001 (of any kind, by driver or by a listener of the app)
        is_there = isinstance(error, DBAPIError) and not error.connection_invalidated
        status = "unknown" if is_there and vars(error)["statement"] else "unreachable"
    return answer(status, current, heads)


def answer(status: str, current: set[str], heads: set[str]) -> dict[str, Any]:
    is_ok, is_reachable = status in ("ok", "newer"), status != "unreachable"
    states = {"ok": is_ok, "status": status, "reachable": is_reachable}
    return {**states, "current": sorted(current), "heads": sorted(heads)}


@cache
def revisions() -> tuple[set[str], set[str]]:
    """Return the heads and all revisions; the files are read only once."""
    script = ScriptDirectory.from_config(alembic_config())
    every = script.walk_revisions()
    known = {each.revision: getattr(each.module, "replaces", ()) for each in every}
    return {*script.get_heads()}, {*known}.union(*known.values())


def configured() -> dict[str, tuple[Any, dict[str, Any]]]:
    """Return the engine and the version table of each database, as env.py has them.

    env.py is run once for an app, as soon as all databases can be reached; nothing until then.
    """
    keys = ("version_table", "version_table_schema")

    def visit(found: Any) -> tuple[Any, dict[str, Any]]:
        return found.connection.engine, {key: getattr(found, key) for key in keys}

    with lock, suppress(Exception):  # which the state of each says
        if "migrated" not in current_app.extensions:
            current_app.extensions["migrated"] = read(visit)
    return dict(current_app.extensions.get("migrated", {}))
