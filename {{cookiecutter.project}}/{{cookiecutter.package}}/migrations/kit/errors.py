"""Turns errors into what a reader needs: one line, or a traceback with the revision that failed."""

import atexit
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from traceback import walk_tb
from types import FrameType
from typing import Any, NoReturn

from alembic import context
from alembic.util import CommandError, msg
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError, PendingRollbackError, SQLAlchemyError

from .backends import backend_of
from .mistakes import changed_by_hand, first_line, revision_in, two_ways
from .outcome import NOTHING_KEPT, Outcome, failed, is_changing, option
from .session import driver_of

# The exit statuses of `check`; all other failures are Alembic's 255.
NOT_AT_HEAD, MODELS_DIFFER, NEWER = 3, 4, 5


def running_command() -> Any:
    """Return the command that runs, of ``alembic.command``; None if Python has called Alembic.

    Python may have options too: ``cmd_opts=Namespace(x=[...])`` is what ``-x`` gives.
    """
    return getattr(context.config.cmd_opts, "cmd", (None,))[0]


def fail(message: str, status: int) -> NoReturn:
    """End a command with an exit status of its own; where Python calls Alembic, with its error."""
    options: Any = context.config.cmd_opts
    if running_command() is None or options.raiseerr:
        raise CommandError(message)
    msg(f"FAILED: {message}", **context.config.messaging_opts)
    raise SystemExit(status)


def interrupted(error: KeyboardInterrupt, what: str) -> None:
    """End a command that a signal has stopped: Ctrl-C, unless the error names another."""
    if running_command():
        fail(f"Interrupted{what}", 128 + (15 if error.args == (15,) else 2))


class LockTimeout(CommandError):
    """Says that a lock was not free in time, and what became of the run."""

    def __init__(self, message: str, fate: str) -> None:
        super().__init__(f"{f'{message} {fate}'.rstrip()} Run it again later.")
        self.message, self.is_clean = message, fate == NOTHING_KEPT


@contextmanager
def explained(outcome: Outcome) -> Iterator[None]:
    """Say which revision of which database failed, and what became of what it had done."""
    try:
        yield
    except BaseException as error:
        if failed(error) != outcome.name:
            raise  # another of several databases: it has been explained, or will be
        if isinstance(error, PendingRollbackError):  # after one that a revision has caught
            error = outcome.error or error
        revision = revision_in(frames_of(error))
        what, fate = outcome.title(revision), outcome.fate(error, revision)
        if isinstance(error, CommandError):
            if (revision and "Revision" not in str(error)) or "match one row" in str(error):
                error.args = (f"{what}: {str(error).rstrip('.')}. {fate}",)
            name_database(error, outcome.name)
            raise
        if isinstance(error, DBAPIError):
            explain(error, outcome, revision)
        if isinstance(error, KeyboardInterrupt):
            interrupted(error, f". {fate}")
        if isinstance(error, SystemExit) and revision:
            status = error.code if isinstance(error.code, int) and error.code else 255
            fail(f"{what} ended the process, with {error.code!r}. {fate}", status)
        if "batch mode" in str(error):
            fate += " Below `with op.batch_alter_table(TABLE) as batch:` it works on SQLite."
        if fate and hasattr(error, "add_note"):  # what matters is below the traceback
            error.add_note(f"{what} failed. {fate}")
        elif fate and running_command():  # Python 3.10
            atexit.register(print, f"{what} failed. {fate}", file=sys.stderr)
        raise


def frames_of(error: BaseException | None) -> Iterator[tuple[FrameType, int]]:
    """Yield the frames of an error, and of those before it: a rollback may fail, too."""
    while error:
        yield from walk_tb(error.__traceback__)
        error = error.__context__


def explain(error: DBAPIError, outcome: Outcome, revision: str | None) -> None:
    """Say in one line what a database says, unless it is the fault of a revision."""
    connection, backend = outcome.connection, backend_of(outcome.connection.dialect)
    what, fate, found = outcome.title(revision), outcome.fate(error, revision), codes(error)
    is_timeout, is_lost = backend.lock_timeout in found, error.connection_invalidated
    statement, holders = " ".join((error.statement or "").split()), ""
    if (revision or is_timeout) and not (outcome.is_callers or is_lost):
        with suppress(Exception):  # of the driver
            driver_of(connection).rollback()  # a failed transaction answers nothing
            fate += backend.remains(connection, statement)
            holders = backend.holders(connection, statement) if is_timeout else ""
    if is_timeout:
        held = f", held by {holders}" if holders else ""
        how = "for longer than MIGRATION_LOCK_TIMEOUT" if is_changing() else "too long"
        what += f" waited for a lock {how}, in {statement[:80] or 'COMMIT'!r}{held}."
        raise LockTimeout(what, fate) from error
    if is_there := revision and re.search("already exists|uplicate column", str(error.orig)):
        fate += f" If all was there before: alembic stamp {revision}, or heads if create_all made "
        fate += "it. If a failed run left it: drop it. If two revisions make it: edit one."
    is_fault = not {*backend.faults}.isdisjoint(found)
    if is_there or not revision or is_lost or is_fault:
        where = "" if revision or is_lost or not statement else f", in {statement[:80]!r}"
        if re.search("(INSERT|SELECT).*_log", where) and not is_fault:
            fate += " No revision may drop that log. If none does: update the kit, or rename it."
        raise CommandError(f"{what}: {first_line(error)}{where}. {fate}".rstrip()) from error


def name_database(error: CommandError, name: str) -> None:
    """Add the name of the database to an error of Alembic's, and advice to the most frequent one."""
    if str(error) == "Target database is not up to date.":
        fail(f"Database {name!r} is not at head: run alembic upgrade head.", NOT_AT_HEAD)
    for words, advice in (("mbiguous walk", two_ways), ("overlaps with", changed_by_hand)):
        if words in str(error):
            error.args = (advice(),)
    if option("database") and "atabase '" not in str(error):
        error.args = (f"Database {name!r}: {error}",)


def unreachable(engine: Engine, name: str, error: Exception) -> CommandError:
    url = engine.url.set(query={})  # may have a password too
    if url.username and "@" in f"{url.host}{url.database}":  # a part of the password
        return CommandError(f"The URL of database {name!r} has one '@' too many: write %40.")
    problem = f"Database {name!r} cannot be reached at {url!r}: {first_line(error)}"
    return CommandError(f"{problem}. Check the URL, and that the server runs.")


def codes(error: SQLAlchemyError) -> list[Any]:
    """Return what drivers call the code of an error, where they have it."""
    cause = getattr(error, "orig", None)
    first = next(iter(getattr(cause, "args", ())), None)
    found = [first.get("C") if isinstance(first, dict) else first]  # a dict is of pg8000
    return found + [getattr(cause, name, None) for name in ("sqlstate", "pgcode", "errno")]
