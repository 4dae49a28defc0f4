"""Turns errors into what their reader needs: one line, or the name of the revision that failed."""

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from alembic import context
from alembic.util import CommandError, msg
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from .backends import backend_of
from .mistakes import two_ways
from .outcome import NOTHING_KEPT, Outcome, outcomes
from .session import driver_of

logger = logging.getLogger("alembic.errors")

# The exit statuses of `check`; all other failures are Alembic's 255.
NOT_AT_HEAD = 3
MODELS_DIFFER = 4
NEWER = 5


def running_command() -> Any:
    """Return the command that runs, of ``alembic.command``; None if Python has called Alembic.

    Python may have options too: ``cmd_opts=Namespace(x=[...])`` is what ``-x`` gives.
    """
    return getattr(context.config.cmd_opts, "cmd", (None,))[0]


def fail(message: str, status: int) -> NoReturn:
    """End a command with an exit status of its own, which Alembic knows no way to.

    :raises CommandError: where there is no command, but Python that calls Alembic
    """
    options: Any = context.config.cmd_opts
    if running_command() is None or options.raiseerr:
        raise CommandError(message)
    msg(f"FAILED: {message}", **context.config.messaging_opts)
    raise SystemExit(status)


class LockTimeout(CommandError):
    """Says that a lock was not to be had in time, and what became of the run."""

    def __init__(self, message: str, fate: str) -> None:
        super().__init__(f"{message} {fate} Run it again later.")
        self.message, self.is_clean = message, fate == NOTHING_KEPT


@contextmanager
def explained(connection: Connection, outcome: Outcome) -> Iterator[None]:
    """Say which revision of which database failed, and what became of what it had done.

    :raises CommandError: for what is no fault of a revision, instead of its traceback
    """
    name = outcome.name
    try:
        yield
    except KeyboardInterrupt as error:
        if running_command() is None:
            raise
        fail(f"Interrupted. {outcome.fate(error)}", 130)
    except Exception as error:
        failed = next((o.name for o in outcomes if o.error is error), running_database())
        if failed != name:
            raise  # another of several databases: it has been explained, or will be
        if isinstance(error, CommandError):
            name_database(error, name)
            raise
        revision = failed_revision(error)
        what = f"Revision {revision} of database {name!r}" if revision else f"Database {name!r}"
        if isinstance(error, DBAPIError):
            backend, found, fate = backend_of(connection.dialect), codes(error), outcome.fate(error)
            statement, holders = " ".join((error.statement or "").split()), ""
            is_timeout = backend.lock_timeout in found
            if revision and not outcome.is_callers and not error.connection_invalidated:
                with suppress(Exception):  # the drivers' own; what is said is true without it, too
                    driver_of(connection).rollback()  # a failed transaction answers nothing
                    fate += backend.remains(connection, statement)
                    holders = backend.holders(connection, statement) if is_timeout else ""
            if is_timeout:
                what += " waited for a lock for longer than MIGRATION_LOCK_TIMEOUT"
                held = f", which {holders} holds" if holders else ""
                raise LockTimeout(f"{what}, in {statement[:80]!r}{held}.", fate) from error
            is_fault = error.connection_invalidated or {*backend.faults} & {*found}
            if not revision or is_fault:
                raise CommandError(f"{what}: {in_one_line(error)}. {fate}".rstrip()) from error
        if not revision:
            raise
        line = f"{what} failed. {outcome.fate(error)}"
        if running_command() and hasattr(error, "add_note"):  # since Python 3.11
            error.add_note(line)  # below the traceback: what matters is the last line
        else:
            logger.error("%s", line)
        raise


def name_database(error: CommandError, name: str) -> None:
    """Add the name of the database to an error of Alembic's, and advice to the most frequent one."""
    if str(error) == "Target database is not up to date.":
        fail(f"Database {name!r} is not at head: run alembic upgrade head.", NOT_AT_HEAD)
    if "mbiguous walk" in str(error):
        error.args = (two_ways(),)
    if "database" in context.get_context().opts and "atabase '" not in str(error):
        error.args = (f"Database {name!r}: {error}",)


def unreachable(engine: Engine, name: str, error: Exception) -> CommandError:
    """Return the one line for a database that does not let itself be connected to."""
    url = engine.url.set(query={})  # may have a password too
    if "@" in f"{url.host}{url.database}":  # a part of the password, which the driver says, too
        return CommandError(f"The URL of database {name!r} has an '@' too many: write %40.")
    problem = f"Database {name!r} cannot be reached at {url!r}: {in_one_line(error)}"
    return CommandError(f"{problem}. Check its URL, and that it is there.")


def in_one_line(error: Exception) -> str:
    """Return what the driver says."""
    return " ".join(str(getattr(error, "orig", error)).split()).rstrip(".?")


def codes(error: DBAPIError) -> list[Any]:
    """Return what drivers call the code of an error, where they have it."""
    first = next(iter(getattr(error.orig, "args", ())), None)
    found = [first.get("C") if isinstance(first, dict) else first]  # a dict is of pg8000
    return found + [getattr(error.orig, name, None) for name in ("sqlstate", "pgcode", "errno")]


def failed_revision(error: BaseException) -> str | None:
    """Return the id of the revision whose code raised an error, if that is where it came from."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if "down_revision" in frame.f_globals:
            return str(frame.f_globals["revision"])
    return None


def running_database() -> str | None:
    """Return the name of the database that env.py configured last, if there is one yet."""
    with suppress(Exception):  # Alembic's own
        return str(context.get_context().opts.get("database", "default"))
    return None
