"""How backends/ take a lock, wait for it, and leave the connection as it was."""

import logging
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from alembic.util import CommandError
from flask import current_app
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError


def seconds(setting: str, default: float) -> float:
    """Return a setting of the app's config, or else of the environment."""
    value = current_app.config.get(setting, os.environ.get(setting) or default)
    try:
        return float(value)
    except ValueError:
        raise CommandError(f"{setting}={value!r} is no number of seconds.") from None


def wait(locked: Callable[[], Any], name: str) -> None:
    """Try to get a lock until it works, for ``MIGRATION_WAIT`` seconds at most."""
    longest = seconds("MIGRATION_WAIT", 600)
    logger = logging.getLogger("alembic.guard")
    start = time.monotonic()
    waited = 0.0
    while not locked():
        if not waited:
            logger.info("Waiting for another migration of database %r, up to %g s", name, longest)
        waited = time.monotonic() - start
        if waited > longest:
            raise CommandError(
                f"Another migration of database {name!r} has not ended within {longest:g} s "
                "(MIGRATION_WAIT). See whether it hangs, then run this again."
            )
        # Many may wait, and none should ask all the time, nor wait much longer than it has to.
        time.sleep(min(0.02 + waited / 10, 1) * random.uniform(0.5, 1))


def run(connection: Connection, sql: str, **parameters: Any) -> Any:
    """Return the first value of a statement, and leave no transaction open.

    Alembic would take that for somebody else's, and commit nothing.
    """
    with connection.begin():  # SQLAlchemy 1.4 has no commit()
        result = connection.execute(text(sql), parameters)
        return result.scalar() if result.returns_rows else None


@contextmanager
def given_back(connection: Connection) -> Iterator[None]:
    """End what a migration has left; if that fails, close the connection and all that it holds."""
    try:
        if transaction := connection.get_transaction():
            transaction.rollback()
        yield
    except SQLAlchemyError:
        connection.invalidate()
