"""Runs a migration again that did not get a lock; used by env.py."""

import logging
import random
import time
from collections.abc import Callable

from .errors import LockTimeout
from .session import seconds

logger = logging.getLogger("alembic.retry")


def retry(function: Callable[[], None]) -> None:
    """Run a function again if it did not get a lock, and nothing is left of it.

    ``MIGRATION_LOCK_RETRIES`` says how often, after pauses that grow from a second on.
    """
    times = int(seconds("MIGRATION_LOCK_RETRIES", 3))
    for number in range(times):
        try:
            return function()
        except LockTimeout as error:
            if not error.is_clean:
                raise
            pause = 2**number * random.uniform(0.5, 1)
            logger.warning(
                "%s Trying again in %.1f s (%d/%d)", error.message, pause, number + 1, times
            )
        time.sleep(min(pause, 60))
    return function()
