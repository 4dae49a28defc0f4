"""Follows the databases of a run, so that a message about a failure says no more than is true."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from alembic import context
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine, ExceptionContext
from sqlalchemy.exc import DBAPIError

NOTHING_KEPT = "Nothing of this run is kept."


class Outcome:
    """What is known of one database."""

    def __init__(self, connection: Connection, name: str) -> None:
        self.connection, self.name = connection, name
        self.commits = 0
        self.is_callers = connection.in_transaction()
        self.is_committing = False
        self.error: BaseException | None = None
        self.listeners: list[tuple[Connection | Engine, str, Callable[..., None]]] = [
            (connection, "begin", self.begin),
            (connection, "commit", self.commit),
            (connection, "commit_twophase", self.commit),
            (connection, "before_cursor_execute", self.execute),
            (connection.engine, "handle_error", self.handle_error),
        ]

    def begin(self, _: Connection) -> None:
        self.is_committing = False

    def commit(self, *_: Any) -> None:
        self.commits += 1
        self.is_committing = True

    def execute(self, _: Connection, __: Any, statement: str, *___: Any) -> None:
        self.is_committing = False
        if statement[:6].upper() == "COMMIT":  # of a revision that knows better
            self.commits += 1

    def handle_error(self, found: ExceptionContext) -> None:
        if found.connection is self.connection:
            self.error = found.sqlalchemy_exception

    def fate(self, error: BaseException) -> str:
        """Say what became of this database, which failed, and of the others of the run."""
        if not is_changing():
            return ""
        others = [o for o in outcomes if o is not self]
        done = ", ".join(repr(o.name) for o in others if o.commits)
        undone = ", ".join(repr(o.name) for o in others if not o.commits)
        also = f" Committed: {done}; not: {undone or 'no other'}." if done else ""
        has_not_committed = self.is_committing and self.error is error
        if has_not_committed and isinstance(error, DBAPIError) and error.connection_invalidated:
            return f"It is not known whether it has committed: see alembic current.{also}"
        if self.is_callers:
            kept = "Its changes are in the caller's transaction."
        elif not context.is_transactional_ddl():
            kept = "Revisions before it are kept; parts of its own changes may remain."
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


outcomes: list[Outcome] = []


@contextmanager
def followed(connection: Connection, name: str) -> Iterator[Outcome]:
    """Follow a database until the first of the run is done."""
    outcome = Outcome(connection, name)
    outcomes.append(outcome)
    for listener in outcome.listeners:
        event.listen(*listener)
    try:
        yield outcome
    finally:
        for listener in outcome.listeners:
            event.remove(*listener)
        if outcomes[0] is outcome:
            outcomes.clear()
