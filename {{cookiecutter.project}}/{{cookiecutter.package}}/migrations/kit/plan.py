"""What an upgrade or a downgrade would do, in words or as SQL, without doing it: ``flask db plan``."""

import re
from copy import copy
from io import StringIO
from typing import Any

from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError

from .api import alembic_config, read
from .offline import Rehearsal, rehearsals
from .words import effects


def plan(revision: str | None = None, down: bool = False) -> dict[str, list[dict[str, Any]]]:
    """Return what would run on each database, in order, by its name; nothing is changed.

    :param revision: where to go, ``head`` or, if ``down``, ``-1``; with ``FROM:TO`` no database is asked
    """
    found = planned(alembic_config(stdout=StringIO()), revision, down)
    return {name: [described(each) for each in revisions] for name, revisions in found.items()}


def show(config: Config, revision: str | None, sql: bool, down: bool) -> None:
    """Print the plan."""
    for name, found in planned(config, revision, down).items():
        number = f"{len(found)} revision{'s'[: len(found) != 1]}" if found else "nothing to do"
        lines = [f"{'-- ' if sql else ''}Database {name}: {number}"]
        for each in map(described, found):
            line = f"{each['revision']}  {each['date']}  {each['message']}"
            problem = [f"-- {each['problem']}"] if each["problem"] else []
            steps = [f"      {step}" for step in each["steps"] or ["does nothing"]]
            lines += ["", f"-- {line}", *each["sql"], *problem] if sql else [f"  {line}", *steps]
        config.print_stdout("%s", "\n".join(lines))


def planned(config: Config, revision: str | None, down: bool) -> dict[str, list[Rehearsal]]:
    start, colon, goal = (revision or ("-1" if down else "head")).rpartition(":")
    script = ScriptDirectory.from_config(config)
    heads = {} if colon else positions(config)

    def chosen(name: str) -> list[Script]:
        return between(script, (start,) if colon else heads.get(name, ()), goal, down)

    found = rehearsals(config, chosen, not down)
    return {name: revisions for name, (_, revisions) in found.items()}


def positions(config: Config) -> dict[str, tuple[str, ...]]:
    """Return the heads of each database, by its name; env.py explains those that are not here."""

    def heads(migration: Any) -> tuple[str, ...]:
        found: tuple[str, ...] = migration.get_current_heads()
        migration.script.get_revisions(found)
        return found

    return read(heads, quiet(config))


def quiet(config: Config) -> Config:
    """Return a configuration that prints nothing of its own."""
    config = copy(config)
    config.stdout = StringIO()
    return config


def between(script: ScriptDirectory, start: Any, goal: str, down: bool) -> list[Script]:
    """Return the revisions from where a database is to a goal, in the order of their running."""
    start = tuple(each.revision for each in script.get_revisions(start) if each)
    try:
        if down:
            return [*script.iterate_revisions(start, goal, select_for_downgrade=True)]
        return [*script.iterate_revisions(goal, start, implicit_base=True)][::-1]
    except RevisionError as error:
        raise CommandError(str(error)) from error


def described(found: Rehearsal) -> dict[str, Any]:
    """Return what a revision does, as data."""
    date = re.search(r"^Create Date: *(\S+)", found.revision.module.__doc__ or "", re.MULTILINE)
    steps = [words for step in found.steps for words, _ in effects(step)]
    return {
        "revision": found.revision.revision,
        "date": date[1] if date else "no date",
        "message": found.revision.doc,
        "steps": [*dict.fromkeys(steps), *filter(None, [found.problem])],
        "sql": [line for step in found.steps for line in step.sql],
        "problem": found.problem,
    }
