"""How long to wait for others; used by guard.py."""

import logging
import os
import random
import time
from collections.abc import Callable
from typing import Any

from alembic.util import CommandError
from flask import current_app

logger = logging.getLogger("alembic.guard")


def seconds(setting: str, default: float) -> float:
    """Return a setting of the app's config, or else of the environment.

    :raises CommandError: if it is no number
    """
    value = current_app.config.get(setting, os.environ.get(setting) or default)
    try:
        return float(value)
    except ValueError:
        raise CommandError(f"{setting}={value!r} is no number of seconds.") from None


def wait(locked: Callable[[], Any], name: str) -> None:
    """Try to get a lock until it works.

    :raises CommandError: if it does not within ``MIGRATION_WAIT`` seconds
    """
    longest = seconds("MIGRATION_WAIT", 600)
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
