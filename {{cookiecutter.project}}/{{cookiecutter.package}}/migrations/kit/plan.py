"""Tells what an upgrade or a downgrade would do, in words or as SQL: ``flask db plan``."""

import re
from io import StringIO
from typing import Any

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory

from .api import alembic_config, read
from .progress import between
from .rehearsal.offline import Rehearsal, rehearsals
from .rehearsal.words import effects


def show(config: Config, revision: str | None, sql: bool, down: bool) -> None:
    for name, found in plan(revision, down, config).items():
        number = f"{len(found)} revision{'s'[: len(found) != 1]}" if found else "nothing to do"
        lines = [f"{'-- ' if sql else ''}Database {name}: {number}"]
        for each in found:
            line = f"{each['revision']}  {each['date']}  {each['message']}"
            problem = [f"-- {each['problem']}"] if each["problem"] else []
            steps = [f"      {step}" for step in each["steps"] or ["does nothing"]]
            lines += ["", f"-- {line}", *each["sql"], *problem] if sql else [f"  {line}", *steps]
        config.print_stdout("%s", "\n".join(lines))


def plan(
    revision: str | None = None, down: bool = False, config: Config | None = None
) -> dict[str, list[dict[str, Any]]]:
    """Return what would run on each database, in order, by its name; nothing is changed.

    :param revision: the target, by default ``head``, or ``-1`` if ``down``; ``FROM:TO`` asks no database
    """
    config = config or alembic_config(stdout=StringIO())
    start, colon, goal = (revision or ("-1" if down else "head")).rpartition(":")
    script = ScriptDirectory.from_config(config)

    def position(migration: MigrationContext) -> tuple[str, ...]:
        heads = migration.get_current_heads()
        return heads if script.get_revisions(heads) else ()  # env.py explains who is not here

    heads = {} if colon else read(position, config)

    def chosen(name: str) -> list[Script]:
        return between(script, (start,) if colon else heads.get(name, ()), goal, down)

    found = rehearsals(config, chosen, not down).items()
    return {name: [described(each) for each in rehearsed] for name, (_, rehearsed) in found}


def described(found: Rehearsal) -> dict[str, Any]:
    """Return what a revision does, as data."""
    date = re.search(r"^Create Date: *(\S+)", found.revision.module.__doc__ or "", re.MULTILINE)
    steps = [words for step in found.steps for words, _ in effects(step)]
    return {
        "revision": found.revision.revision,
        "date": date[1] if date else "no date",
        "message": " ".join((found.revision.doc or "").split()),
        "steps": [*dict.fromkeys(steps), *filter(None, [found.problem])],
        "sql": [line for step in found.steps for line in step.sql],
        "problem": found.problem,
    }
