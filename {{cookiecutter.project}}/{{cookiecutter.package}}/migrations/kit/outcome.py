"""Follows the databases of a run, so that a message about a failure says no more than is true."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from alembic import context
from sqlalchemy.engine import Connection, ExceptionContext

from .session import listening

NOTHING_KEPT = "Nothing of this run is kept."


class Outcome:
    """What is known of one database."""

    def __init__(self, connection: Connection, name: str) -> None:
        self.connection, self.name = connection, name
        self.commits = 0
        self.is_callers = connection.in_transaction()
        self.is_committing = False  # or has done nothing since
        self.error: BaseException | None = None

    def begin(self, _: Connection) -> None:
        self.is_committing = False

    def commit(self, *_: Any) -> None:
        self.commits += 1
        for outcome in outcomes:  # the others have committed before, if they have
            outcome.is_committing = outcome is self

    def execute(self, _: Connection, __: Any, statement: str, *___: Any) -> None:
        if statement[:6].upper() == "COMMIT":  # of a revision that knows better
            self.commits += 1

    def handle_error(self, found: ExceptionContext) -> None:
        if found.connection is self.connection:
            self.error = found.sqlalchemy_exception

    def fate(self, error: BaseException, revision: str | None) -> str:
        """Say what became of this database, where a revision or else Alembic failed, and of the others."""
        if not is_changing():
            return ""
        others = [o for o in outcomes if o is not self]
        done = ", ".join(repr(o.name) for o in others if o.commits)
        undone = ", ".join(repr(o.name) for o in others if not o.commits)
        also = f" Committed: {done}; not: {undone or 'no other'}." if done else ""
        has_not_committed = self.is_committing and self.error is error
        is_lost = getattr(error, "connection_invalidated", isinstance(error, KeyboardInterrupt))
        if self.is_committing and is_lost:
            return (
                f"It is not known whether {self.name!r} has committed: see alembic current.{also}"
            )
        if self.is_callers:
            kept = "Its changes are in the caller's transaction."
        elif not context.is_transactional_ddl():
            before, of = (
                ("before it", "its own changes") if revision else ("that are done", "the next")
            )
            kept = f"Revisions {before} are kept; parts of {of} may remain."
        elif self.commits > has_not_committed:
            kept = "It is rolled back; what was committed before it is kept."
        else:
            kept = "It is rolled back." if also else NOTHING_KEPT
        return kept + also


def is_changing() -> bool:
    """Say whether the command changes the database: only then it has a revision to arrive at."""
    try:
        context.get_revision_argument()
    except KeyError:
        return False
    return True


def option(name: str, default: Any = None) -> Any:
    """Return an option that env.py gave the database that it configured last, if there is one yet."""
    with suppress(Exception):  # Alembic's own
        return context.get_context().opts.get(name, default)
    return None


def revision_in(frames: Iterable[tuple[FrameType, int]]) -> str | None:
    """Return the id of the revision whose code is among the frames of a traceback or a stack."""
    found = (f.f_globals["revision"] for f, _ in frames if "down_revision" in f.f_globals)
    return next(map(str, found), None)


outcomes: list[Outcome] = []


def failed(error: BaseException) -> str | None:
    """Return the name of the database that an error is of: env.py may have gone on to another."""
    is_interrupt = isinstance(error, KeyboardInterrupt)
    is_of = [o.name for o in outcomes if (o.is_committing if is_interrupt else o.error is error)]
    return is_of[0] if is_of else option("database", "default")


@contextmanager
def followed(connection: Connection, name: str) -> Iterator[Outcome]:
    """Follow a database until the first of the run is done."""
    outcome = Outcome(connection, name)
    outcomes.append(outcome)
    functions: Any = {"begin": outcome.begin, "before_cursor_execute": outcome.execute}
    functions |= dict.fromkeys(("commit", "commit_twophase"), outcome.commit)
    error = listening(connection.engine, handle_error=outcome.handle_error)
    try:
        with listening(connection, **functions), error:
            yield outcome
    finally:
        if outcomes[0] is outcome:
            outcomes.clear()
