"""Says where a run goes, how far it is, and where it has arrived; used by env.py."""

import logging
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError

from .outcome import is_changing

logger = logging.getLogger("alembic.progress")
# The heads that the databases of a run will be at when all of them have committed.
last: dict[str, set[str]] = {}


def show_progress(database: str | None = None) -> None:
    """Print the name of a database that is only read; call this after ``context.configure()``."""
    if database and "revision_context" in context.get_context().opts:
        logging.getLogger("alembic.env").info("Database %s", database)
    elif database and not is_changing():
        context.config.print_stdout("Database %s:", database)


@contextmanager
def summary() -> Iterator[None]:
    """Say at the end of a run where the databases are."""
    last.clear()
    yield
    for name, heads in last.items():
        logger.info("Database %s is %s", name, position(heads))


def announce(migration: MigrationContext, heads: Collection[str]) -> list[Script]:
    """Say where a run goes, and once a second at most how far it is; return its revisions, if known."""
    way = getattr(migration.opts.get("fn"), "__name__", "")
    name: str = migration.opts.get("database", "default")
    last.pop(name, None)  # of an attempt that was rolled back
    migration.on_version_apply_callbacks += (lambda heads, **_: last.update({name: {*heads}}),)
    if way not in ("upgrade", "downgrade"):
        return []
    try:
        goal = context.get_revision_argument()
        found = between(context.script, tuple(heads), goal, way == "downgrade")
    except CommandError:
        return []  # Alembic will say it
    where = f"Database {name} at {url_of(migration.connection)}"
    if not (total := len(found)):
        logger.info("%s is %s, there is nothing to do", where, position(heads))
        return []
    logger.info("%s: %d revision%s to %s", where, total, "s"[: total != 1], way)
    start, said, done = time.monotonic(), time.monotonic(), 0

    def log(**_: Any) -> None:
        nonlocal done, said
        done += 1
        now = time.monotonic()
        if now - said >= 1 and done < total:
            logger.info("Done %d/%d in %.0f s", done, total, now - start)
            said = now

    migration.on_version_apply_callbacks += (log,)
    return found


def url_of(connection: Any) -> str:
    """Return the URL of a database without its password, which may be in the query, too."""
    name = str(connection.engine.url.database or "").encode(errors="replace").decode() or None
    return repr(connection.engine.url.set(database=name, query={}))


def position(heads: Collection[str]) -> str:
    at, newest = ", ".join(sorted(heads)), {*(context.script.as_revision_number("heads") or ())}
    if not newest:
        folders = ", ".join(map(str, context.script.version_locations))
        return f"at base (no revision is in {folders})"
    return f"at head ({at})" if newest <= {*heads} else f"at {at or 'base'}"


def between(script: ScriptDirectory, start: Any, goal: Any, down: bool) -> list[Script]:
    """Return the revisions from where a database is to a goal, in the order of their running."""
    start = tuple(each.revision for each in script.get_revisions(start) if each)
    try:
        if down:
            return [*script.iterate_revisions(start, goal, select_for_downgrade=True)]
        return [*script.iterate_revisions(goal, start, implicit_base=True)][::-1]
    except RevisionError as error:
        raise CommandError(str(error)) from error
