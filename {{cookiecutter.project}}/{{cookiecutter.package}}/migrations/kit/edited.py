"""Names the revisions that were edited after they were applied, and accepts them as they are now."""

from contextlib import nullcontext
from hashlib import sha256
from pathlib import Path
from typing import Any

from alembic import context
from alembic.script import Script
from alembic.util import CommandError
from sqlalchemy.engine import Row
from sqlalchemy.exc import DBAPIError

from .autogenerate.ask import given, logger
from .backends import backend_of
from .checksum import meaning, sums
from .log import Log
from .mistakes import first_line
from .session import is_autocommit, setting


def warn_of_edited(log: Log) -> None:
    """Warn of revisions that no longer do what they did; with ``MIGRATION_EDITED=error``, fail."""
    connection = log.connection  # DuckDB has no savepoint, nor has a caller's in AUTOCOMMIT
    if (how := setting("MIGRATION_EDITED", "warning")) not in ("error", "warning"):
        raise CommandError(f"MIGRATION_EDITED={how!r} must be 'error' or 'warning'.")
    is_undone = backend_of(connection.dialect).is_one_transaction and not is_autocommit(connection)
    try:
        with connection.begin_nested() if is_undone else nullcontext():
            edited = find_edited(log)
    except DBAPIError as error:  # no right to read it, or changed by hand
        if error.connection_invalidated or how == "error":
            raise
        logger.warning("Database %r: its log cannot be read: %s.", log.name, first_line(error))
        return
    if not edited:
        return
    which = f"Revision {edited[0]} was" if len(edited) == 1 else f"{', '.join(edited)} were"
    message = f"Database {log.name!r}: {which} edited after it had been applied here"
    advice = f"undo that, or accept it: alembic -x accept={edited[0]} upgrade head"
    if how == "error":
        raise CommandError(f"{message} (MIGRATION_EDITED): {advice}.")
    logger.warning("%s: %s.", message, advice)


def accept_edited(log: Log) -> None:
    """Log the revisions that ``-x accept=REVISION`` names as they are now."""
    named = {each.revision for each in context.script.get_revisions([*given("accept")]) if each}
    for name in sorted(named.intersection(find_edited(log))) if named else ():
        before = [row.down_revision for row in log.rows() if row.revision == name][-1]
        found = sums(context.script, name)
        log.add(revision=name, direction="up", stamped=True, down_revision=before, **found)
        log.flush()
        logger.info("Database %r: revision %s is accepted as it is now.", log.name, name)


def find_edited(log: Log) -> list[str]:
    """Return the applied revisions whose files are here and do something else now."""
    here = {r.revision: r for r in context.script.walk_revisions() if r.path.endswith(".py")}
    last = {row.revision: row for row in log.rows() if row.revision in here}
    applied = [row for row in last.values() if row.direction == "up" and row.code]
    return [row.revision for row in applied if is_edited(row, here[row.revision])]


def is_edited(row: Row[Any], revision: Script) -> bool:
    is_older = row.down_revision and hasattr(revision.module, "replaces")  # it was squashed since
    source = Path(revision.path).read_bytes()
    return not is_older and sha256(source).hexdigest() != row.file and meaning(source) != row.code
