"""How backends/ take a lock, wait for it, and leave the connection as it was."""

import logging
import os
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TypeVar

from alembic.util import CommandError
from flask import current_app
from sqlalchemy import event, text
from sqlalchemy.engine import Connection

T = TypeVar("T")
logger = logging.getLogger("alembic.guard")
LONGEST = 2_000_000  # seconds, 23 days: more would be none to some servers
# What does nothing in SQL: comments and texts, such as the body of a function.
SKIPPED = re.compile(r"--.*|/\*(?s:.*?)\*/|'[^']*'|\$(\w*)\$(?s:.*?)\$\1\$")


def setting(name: str, default: Any = None) -> Any:
    """Return a setting of the app's config, or else of the environment."""
    return current_app.config.get(name, os.environ.get(name) or default)


def seconds(name: str, default: float) -> float:
    """Return a setting that is a number, mostly of seconds."""
    value = setting(name, default)
    with suppress(ValueError, TypeError):
        if 0 <= float(value) <= LONGEST:  # nan is not
            return float(value)
    raise CommandError(f"{name}={value!r} must be a number from 0 to {LONGEST}.")


class Busy(Exception):
    """Says that somebody else has what a migration needs."""

    def __init__(self, holder: object = None, what: str = "another migration") -> None:
        super().__init__(what)
        self.what, self.holder = what, f" ({holder})" if holder else ""


def wait(attempt: Callable[[], T], name: str) -> T:
    """Try until it is not ``Busy`` any more, for ``MIGRATION_WAIT`` seconds at most."""
    longest = seconds("MIGRATION_WAIT", 600)
    start, waited = time.monotonic(), 0.0
    while True:
        try:
            return attempt()
        except Busy as busy:
            if not waited:
                logger.info("Waiting for %s of database %r, up to %g s", busy.what, name, longest)
            waited = time.monotonic() - start
            if waited > longest:
                raise CommandError(
                    f"Database {name!r}: waited {longest:g} s (MIGRATION_WAIT) for {busy.what}"
                    f"{busy.holder}. Check whether it hangs, then run this again."
                ) from busy
        time.sleep(min(0.02 + waited / 10, 1) * random.uniform(0.5, 1))


def run(connection: Connection, sql: str, **parameters: Any) -> Any:
    """Return the first value of a statement. No transaction is left: Alembic would not commit it."""
    with connection.begin():  # SQLAlchemy 1.4 has no commit()
        result = connection.execute(text(sql), parameters)
        return result.scalar() if result.returns_rows else None


def commits(statement: str) -> bool:
    """Say whether a statement of a revision, or one of several in it, is a COMMIT."""
    pattern = r"(?im)(^|;)\s*COMMIT\s*(;|$|WORK|TRAN|AND|PREP)"
    return "commit" in statement.lower() and bool(re.search(pattern, SKIPPED.sub("", statement)))


def as_text(sql: str) -> str:
    """Escape SQL for text(), which would find parameters in it."""
    return re.sub(r"(?<![:\w]):(?=\w)", r"\\:", sql)


def driver_of(connection: Connection) -> Any:
    return connection.connection.dbapi_connection


@contextmanager
def listening(target: Any, retval: bool = False, **functions: Callable[..., Any]) -> Iterator[None]:
    """Call functions at the events that they are named after."""
    for name, function in functions.items():
        event.listen(target, name, function, retval=retval)
    try:
        yield
    finally:
        for name, function in functions.items():
            event.remove(target, name, function)


def to_the_end(_: Connection, cursor: Any, statement: str, *__: Any) -> None:
    """Raise the error of a later statement in one text: SQLAlchemy only logs it, with the cursor."""
    if ";" in statement and not cursor.description:
        while cursor.nextset():
            pass


def give_back(connection: Connection, undo: Callable[[], object]) -> None:
    """End the open transaction, and undo what was set; close the connection if that fails."""
    if connection.closed:  # by a revision: the pool has the session, with its lock
        connection.engine.dispose()
    if connection.closed or connection.invalidated:
        return  # nothing is left; another session would be opened here
    try:
        if transaction := connection.get_transaction():
            transaction.rollback()
        driver_of(connection).rollback()  # what others have written before its turn
        undo()
    except Exception:  # noqa: BLE001 (the drivers' own, too)
        connection.invalidate()


def is_autocommit(connection: Connection) -> bool:
    """Say whether each statement is committed by itself, as far as that can be known."""
    with suppress(NotImplementedError, AttributeError):  # who cannot tell; SQLAlchemy 1.4
        return bool(connection.dialect.detect_autocommit_setting(driver_of(connection)))
    return False


@contextmanager
def in_transactions(connection: Connection) -> Iterator[None]:
    """Let a connection migrate in transactions, even if its engine commits each statement."""
    dialect, level = connection.dialect, connection.default_isolation_level
    driver = driver_of(connection)
    if level is None or not is_autocommit(connection):
        yield
        return

    is_option = connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"

    def change(to: Any) -> None:
        if is_option:
            connection.execution_options(isolation_level=to)
        else:  # not by SQLAlchemy, which would not set it back
            dialect.set_isolation_level(driver, to)

    change(level)
    try:
        yield
    finally:
        give_back(connection, partial(change, "AUTOCOMMIT"))
