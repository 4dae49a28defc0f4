"""Shows which database is read, and how far a long run is; used by env.py."""

import logging
import time
from collections.abc import Iterator

from alembic import context
from alembic.runtime.migration import RevisionStep

from .guard import is_changing

logger = logging.getLogger("alembic.progress")


def show_progress(database: str | None = None) -> None:
    """Log each revision that is done; call this after ``context.configure()``.

    :param database: its name, where there are several, for commands that print what they find in each
    """
    migration = context.get_context()
    if database and not is_changing() and "revision_context" not in migration.opts:
        context.config.print_stdout("Database %s:", database)
    steps = migration.opts["fn"]
    # Alembic tells nobody how many there are.
    migration._migrations_fn = lambda *arguments: timed(list(steps(*arguments)))


def timed(steps: list[RevisionStep]) -> Iterator[RevisionStep]:
    """Yield the steps; of several, log the place, how long it took, and the message."""
    for number, step in enumerate(steps, 1):
        start = time.monotonic()
        yield step
        if len(steps) > 1:
            seconds = time.monotonic() - start
            message = step.doc or step.short_log
            logger.info("Done %d/%d in %.1f s: %s", number, len(steps), seconds, message)
