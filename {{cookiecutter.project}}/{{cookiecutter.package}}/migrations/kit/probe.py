"""The answer of ``/health``: whether each database can be reached, and has the revision of the code."""

from contextlib import suppress
from functools import cache
from typing import Any

from alembic.runtime.migration import MigrationContext
from flask import current_app
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError

from . import api
from .log import Log

revisions = cache(api.revisions)  # the files are read only once


def states() -> dict[str, dict[str, Any]]:
    migrated = configured()
    extension: Any = current_app.extensions.get("sqlalchemy")
    engines: dict[str | None, Engine] = getattr(extension, "engines", {})
    if extension is not None and not engines:  # of Flask-SQLAlchemy 2
        engines = {None: extension.db.engine}
    table = None if migrated else {"version_table": "alembic_version"}
    found = {name or "default": (engine, table) for name, engine in engines.items()} | migrated
    nothing = {"default": answer("unreachable", set(), set())}
    return {name: state(*each) for name, each in found.items()} or nothing


def state(engine: Engine, version_table: dict[str, Any] | None) -> dict[str, Any]:
    """Return the state of a database; without a version table, whether it can be reached."""
    heads, known = revisions() if version_table else (set(), set())
    current: set[str] = set()
    try:
        with engine.connect() as connection:
            if version_table:
                migration = MigrationContext.configure(connection, opts=version_table)
                current = {*migration.get_current_heads()}
            status = "ok" if heads <= current else "behind"
            if not current <= known:
                status = "newer" if Log(migration).is_newer(current, heads) else "unknown"
    except Exception as error:  # noqa: BLE001 (of any kind, by driver or by a listener of the app)
        is_there = isinstance(error, DBAPIError) and not error.connection_invalidated
        status = "unknown" if is_there and vars(error)["statement"] else "unreachable"
    return answer(status, current, heads)


def answer(status: str, current: set[str], heads: set[str]) -> dict[str, Any]:
    said = {"ok": status in ("ok", "newer"), "status": status, "reachable": status != "unreachable"}
    return {**said, "current": sorted(current), "heads": sorted(heads)}


def configured() -> dict[str, tuple[Engine, dict[str, Any] | None]]:
    """Return engine and version table of each database, by one run of env.py; nothing until that works."""
    keys = ("version_table", "version_table_schema")

    def visit(found: Any) -> tuple[Engine, dict[str, Any] | None]:
        return found.connection.engine, {key: getattr(found, key) for key in keys}

    if "migrated" not in current_app.extensions:
        with suppress(Exception):  # which the state of each says
            config = api.alembic_config(attributes={"patience": 0.5})  # if a thread migrates
            current_app.extensions["migrated"] = api.read(visit, config)
    return dict(current_app.extensions.get("migrated", {}))
