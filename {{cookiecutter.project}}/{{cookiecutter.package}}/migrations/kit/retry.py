"""Runs a migration again if it did not get a lock; used by env.py."""

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
    for number in range(1, times + 1):
        try:
            return function()
        except LockTimeout as error:
            if not error.is_clean:
                raise
            pause = min(2**number * random.uniform(0.25, 0.5), 60)
            logger.warning("%s Trying again in %.1f s (%d/%d)", error.message, pause, number, times)
        time.sleep(pause)
    return function()
