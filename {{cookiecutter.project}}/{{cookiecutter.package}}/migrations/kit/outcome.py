"""Follows the databases of a run, so that a message about a failure says no more than is true."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from traceback import walk_stack
from typing import Any

from alembic import context
from alembic.ddl.impl import DefaultImpl
from alembic.util import CommandError
from sqlalchemy.engine import Connection, Dialect, ExceptionContext

from .mistakes import first_line, revision_in
from .session import commits, driver_of, listening

NOTHING_KEPT = "Nothing of this run is kept."
outcomes: list["Outcome"] = []  # of the databases of this run


class Outcome:
    def __init__(self, connection: Connection, name: str, backend: Any) -> None:
        self.connection, self.name, self.process = connection, name, os.getpid()
        self.backend, self.unsure, self.commits = backend, backend.unsure, 0
        self.is_callers = connection.in_transaction()
        self.is_committing = False  # or has done nothing since
        self.has_begun = self.has_changes = False  # by a statement; which are not committed
        self.error: BaseException | None = None
        self.undone: str | None = None  # by this revision are the ones before it rolled back
        self.why = "use op.get_bind().begin_nested()"

    def begin(self, _: Connection) -> None:
        self.is_committing = self.has_begun = self.has_changes = False

    def commit(self, *_: Any) -> None:
        self.commits += 1
        for outcome in outcomes:  # the others have committed before, if they have
            outcome.is_committing = outcome is self

    def rollback(self, *_: Any) -> None:
        self.undone = self.undone or revision_in(walk_stack(None))
        self.commits += self.error is None and self.is_behind()

    def execute(self, _: Connection, __: Any, statement: str, *___: Any) -> None:
        if self.undone:
            what = f"{self.title(self.undone)} rolls back what the run has done: {self.why}"
            raise CommandError(f"{what}. {self.fate(revision=self.undone)}")
        if re.match(r"(?i)(\s|/\*.*?\*/)*(ABORT|ROLLBACK)\b(?!.* TO )", statement):
            self.rollback()
        is_kept = self.is_behind() or re.match(self.backend.committing, statement)
        self.has_changes = self.has_changes and not is_kept
        self.commits += commits(statement) or self.is_behind()
        self.has_begun = True

    def executed(self, _: Connection, cursor: Any, *__: Any) -> None:
        self.has_changes |= bool(cursor.rowcount and not cursor.description)  # -1 of a CREATE TABLE

    def is_behind(self) -> bool:
        """Say whether a transaction was ended by other means, such as the driver's own commit()."""
        with suppress(Exception):  # of a connection that is lost
            driver = driver_of(self.connection)
            status = getattr(getattr(driver, "info", None), "transaction_status", True)  # psycopg's
            is_open = getattr(driver, "in_transaction", status)
            return self.has_begun and self.connection.in_transaction() and not is_open
        return False

    def handle_error(self, found: ExceptionContext) -> None:
        if found.connection is self.connection:
            self.error = found.sqlalchemy_exception or found.original_exception
            is_undone = any(each in str(self.error) for each in self.backend.undoing)
            if self.has_changes and (is_undone or self.is_behind()):  # SQLite's INSERT OR ROLLBACK
                self.undone = revision_in(walk_stack(None)) or "of Alembic"
                self.why = first_line(self.error)

    def title(self, revision: str | None) -> str:
        return f"{f'Revision {revision} of database' if revision else 'Database'} {self.name!r}"

    def fate(self, error: BaseException | None = None, revision: str | None = None) -> str:
        """Say what became of this database, in which a revision or Alembic failed, and of the others."""
        if not is_changing() or self.process != os.getpid():  # a fork does not know
            return ""
        others = [o for o in outcomes if o is not self]
        done = ", ".join(repr(o.name) for o in others if o.commits)
        undone = ", ".join(repr(o.name) for o in others if not o.commits)
        also = f" Committed: {done}; not: {undone or 'no other'}." if done else ""
        is_lost = getattr(error, "connection_invalidated", isinstance(error, KeyboardInterrupt))
        if self.is_committing and (is_lost or any(each in str(error) for each in self.unsure)):
            known = f"It is not known whether {self.name!r} has committed"
            return f"{known}: see alembic current.{also}"
        if self.is_callers:
            is_all = impl_of(self.connection.dialect).transactional_ddl and not self.commits
            kept = "Its changes are in the caller's transaction"
            kept += "." if is_all else ", except what is committed already."
        elif not impl_of(self.connection.dialect).transactional_ddl:
            kept = "Revisions before it are kept; parts of its own changes may remain."
            if not revision:
                kept = "Revisions that are done are kept; parts of the next may remain."
        elif self.commits > (self.is_committing and self.error is error):  # that one failed
            kept = "What was committed is kept, the rest is rolled back."
        else:
            kept = "It is rolled back." if also else NOTHING_KEPT
        return kept + also


def is_changing() -> bool:
    """Say whether the command changes the database: only such a command has a target revision."""
    with suppress(KeyError):
        context.get_revision_argument()
        return True
    return False


def option(name: str, default: Any = None) -> Any:
    """Return an option of the database that env.py configured last, or the default; None before."""
    with suppress(Exception):  # Alembic's own
        return context.get_context().opts.get(name, default)
    return None


def impl_of(dialect: Dialect) -> type[DefaultImpl]:
    """Return Alembic's class for a dialect; for an unknown one, a general class."""
    with suppress(KeyError):
        return DefaultImpl.get_by_dialect(dialect)
    return type("Impl", (DefaultImpl,), {"__dialect__": dialect.name})


def failed(error: BaseException) -> str | None:
    """Return the name of the database that an error comes from, not always the last one configured."""
    is_interrupt = isinstance(error, KeyboardInterrupt)
    is_of = [o.name for o in outcomes if (o.is_committing if is_interrupt else o.error is error)]
    return is_of[0] if is_of else option("database", "default")


@contextmanager
def followed(connection: Connection, name: str, backend: Any) -> Iterator[Outcome]:
    """Follow a database until the first of the run is done."""
    outcome = Outcome(connection, name, backend)
    outcomes.append(outcome)
    calls: Any = {"begin": outcome.begin, "rollback": outcome.rollback, "commit": outcome.commit}
    calls |= {"commit_twophase": outcome.commit, "before_cursor_execute": outcome.execute}
    calls["after_cursor_execute"] = outcome.executed
    error = listening(connection.engine, handle_error=outcome.handle_error)
    try:
        with listening(connection, **calls), error:
            yield outcome
    finally:
        if outcomes[0] is outcome:
            outcomes.clear()
