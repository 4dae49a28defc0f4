"""Lets revisions that open a connection of their own see what the run has done so far.

``db.session``, ``db.engine`` and ``op.get_bind().engine`` are connections beside the one that migrates:
they would not see its transaction, and on SQLite wait for it in vain. So a thread that migrates gets
that connection again, with a savepoint for each transaction: if the revision fails, that is undone, too.
``share_connection = false`` in alembic.ini is for histories that only run without this.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

from alembic import context
from sqlalchemy.engine import Connection
from sqlalchemy.pool import NullPool, Pool

from .session import driver_of, listening


class Shared:
    """A connection of the driver that belongs to somebody else: a transaction here is a savepoint there."""

    def __init__(self, driver: Any, done: list[Any]) -> None:
        self.driver, self.name = driver, f"shared_{id(self)}"
        self.done = done  # one each for the statements that the other has executed
        self.began: int | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.driver, name)

    def cursor(self, *arguments: Any, **options: Any) -> Any:
        if self.began is None and getattr(self.driver, "isolation_level", None) == "":
            self.execute("BEGIN IMMEDIATE TRANSACTION")  # of SQLite, unless there is one
        if self.began is None and self.execute("SAVEPOINT"):
            self.began = len(self.done)
        return self.driver.cursor(*arguments, **options)

    def commit(self) -> None:
        if self.began is not None:
            self.execute("RELEASE SAVEPOINT")
        self.began = None

    def rollback(self) -> None:
        if self.began == len(self.done):  # else it would undo what the migration did meanwhile
            self.execute("ROLLBACK TO SAVEPOINT")
        self.commit()

    close = rollback

    def execute(self, what: str) -> bool:
        """Say whether there is an open transaction for this."""
        with suppress(Exception), closing(self.driver.cursor()) as cursor:
            cursor.execute(f"{what} {self.name}")
            return True
        return False  # autocommit, or a transaction that has failed


class SharedPool(NullPool):
    """A pool that gives one thread the shared connection, and the others a connection of the old pool."""

    def __init__(self, pool: Pool, connect: Callable[[], Any]) -> None:
        super().__init__(connect)
        self.pool, self.thread = pool, threading.get_ident()

    def connect(self) -> Any:
        return super().connect() if threading.get_ident() == self.thread else self.pool.connect()

    def recreate(self) -> "SharedPool":  # by dispose(), in a revision
        return self


@contextmanager
def shared(connection: Connection) -> Iterator[None]:
    """Let the engine give this connection to all that asks for one in this thread."""
    section = context.config.config_ini_section
    if context.config.file_config.get(section, "share_connection", fallback="") == "false":
        yield
        return
    engine, pool = connection.engine, connection.engine.pool
    done: list[Any] = []
    engine.pool = SharedPool(pool, lambda: Shared(driver_of(connection), done))
    try:
        with listening(connection, before_cursor_execute=lambda *_: done.append(None)):
            yield
    finally:
        engine.pool = pool
