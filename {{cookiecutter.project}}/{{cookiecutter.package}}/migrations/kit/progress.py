"""Shows which database is read, and how far a long run is; used by env.py."""

import logging
import time
from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationInfo

from .outcome import is_changing


def show_progress(database: str | None = None) -> None:
    """Log each revision that is done; call this after ``context.configure()``.

    :param database: its name, where there are several
    """
    migration = context.get_context()
    if database:
        logging.getLogger("alembic.env").info("Database %s", database)
        if not is_changing() and "revision_context" not in migration.opts:
            context.config.print_stdout("Database %s:", database)
    logger = logging.getLogger("alembic.progress")
    start = time.monotonic()
    done = total = 0

    def log(step: MigrationInfo, heads: set[str], **_: Any) -> None:
        nonlocal start, done, total
        total = total or count(step, heads)
        done += 1
        now = time.monotonic()
        if total > 1:
            revision = context.script.get_revision(str(step.up_revision_id))
            what = (revision and revision.doc) or step.up_revision_id
            logger.info("Done %d/%d in %.1f s: %s", done, total, now - start, what)
        start = now

    migration.on_version_apply_callbacks += (log,)


def count(step: MigrationInfo, heads: set[str]) -> int:
    """Return how many revisions a run has, from its first step and the heads after it."""
    if step.is_stamp:
        return 1
    goal, script = context.get_revision_argument(), context.script
    others = heads.difference(step.destination_revision_ids)
    below = {each.revision for each in script.iterate_revisions(tuple(others), "base")}
    before = (*others, *(each for each in step.source_revision_ids if each not in below))
    if step.is_upgrade:
        return len([*script.iterate_revisions(goal, before, implicit_base=True)])
    return len([*script.iterate_revisions(before, goal, select_for_downgrade=True)])
