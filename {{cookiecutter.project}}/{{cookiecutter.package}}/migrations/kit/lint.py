"""Finds what is not safe while the app runs, or with much data: ``flask db lint``, and the tests."""

import logging
import os
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from io import StringIO
from itertools import takewhile
from pathlib import Path

from alembic.config import Config
from alembic.operations.ops import DropTableOp
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError

from .api import alembic_config
from .backends import Backend, backend_of
from .backends.steps import name_of
from .progress import between
from .rehearsal.offline import Rehearsal, rehearsals
from .rehearsal.recorder import Step
from .rehearsal.rules import ADVICE, PARTS, REWRITES, broken_by, by_linter
from .rehearsal.words import effects, is_wider

logger = logging.getLogger("alembic.lint")
WAYS = "Fetch it, or name the revisions: flask db lint FROM:TO."
PAGE = "https://github.com/org/flask-alembic-kit/blob/main/docs/lint.md"


def show(config: Config, revisions: str | None) -> None:
    """Print what is found, and fail if there is anything."""
    found = lint(revisions, config)
    config.print_stdout("%s", "\n".join(found) or "Nothing found.")
    if found:
        raise CommandError(f"{len(found)} found. What to write instead: {PAGE}")


def lint(revisions: str | None = None, config: Config | None = None) -> list[str]:
    """Return a line for each thing that is not safe to run beside the app.

    :param revisions: ``FROM:TO``; by default those that git's main branch does not have, or the newest
    """
    config = config or alembic_config(stdout=StringIO())
    script = ScriptDirectory.from_config(config)
    start, _, goal = (revisions or "").rpartition(":")

    @cache  # once for all databases, and when env.py has set up logging
    def chosen() -> list[Script]:
        return between(script, (start or "base",), goal, False) if revisions else unmerged(script)

    lines = []
    for migration, found in rehearsals(config, lambda _: chosen()).values():
        linter = backend_of(migration.dialect).linter
        for each in filter(lambda each: each.problem, found):
            path = os.path.relpath(each.revision.path)
            logger.warning("%s is checked only in part: it %s.", path, each.problem)
        for revision, step, rule, said in broken(found, backend_of(migration.dialect)):
            advice = ADVICE.get(rule, said)
            if not linter and re.search("VALIDATE|CONCURR|concurrently", advice):
                advice = f"{advice.partition(':')[0]}: run it when few use the table"
            where = f"{os.path.relpath(revision.path)}:{step.line}: {revision.revision}"
            if not is_allowed(revision, step.line, rule):
                lines.append(f"{where}: {rule}: {advice}")
    return [*dict.fromkeys(lines)]


def broken(found: list[Rehearsal], backend: Backend) -> Iterator[tuple[Script, Step, str, str]]:
    """Yield each rule that a step breaks, with what the linter says, if others may use the table."""
    steps = [(each.revision, step) for each in found for step in each.steps]
    by_step = by_linter(backend.linter, steps) if backend.linter else {}
    gone = {name_of(s.operation) for _, s in steps if isinstance(s.operation, DropTableOp)}
    new: set[str] = set()  # tables that nobody uses yet
    for revision, step in steps:
        is_told = bool(backend.linter) and not step.copied
        rules = {rule: "" for _, rule in effects(step) if rule and not is_told}
        rules |= by_step.get(id(step), {})
        if is_wider(step.operation, backend.longer_at_once):
            rules.pop("changing-column-type", None)
        if backend.linter and not any(map(REWRITES.search, step.sql)):
            rules.pop("adding-field-with-default", None)
        sql, is_read = [] if step.copied else step.sql, bool(backend.linter or step.operation)
        table, several = name_of(step.operation), ";" in ";".join(sql).rstrip("; ")
        for rule, name in broken_by(sql, is_read):
            new |= {name} if rule == "new" else set()
            rules |= {rule: ""} if rule and name not in new else {}
            table = table or ("" if several else name)
        if table in new:
            new.add(getattr(step.operation, "new_table_name", table))
        elif table not in gone or isinstance(step.operation, DropTableOp):
            whole = rules.keys() - {*PARTS} or rules.keys()
            yield from ((revision, step, rule, rules[rule]) for rule in sorted(whole))


def unmerged(script: ScriptDirectory) -> list[Script]:
    """Return the revisions that the main branch does not have; if it has all of them, the newest."""

    def git(*arguments: str) -> str:
        command = ("git", "-C", script.dir, *arguments)
        try:
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError):
            return ""

    ci = os.environ
    target = ci.get("GITHUB_BASE_REF") or ci.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME")
    usual = ("origin/HEAD", "origin/main", "origin/master", "main", "master")
    names = (f"origin/{target}", target) if target else usual
    main = next((name for name in names if git("rev-parse", "--verify", "--quiet", name)), None)
    if target and not main:
        raise CommandError(f"git has no branch {target} to compare with: fetch it (depth 0).")
    if not main:
        logger.warning("Only the newest revision is checked: git has no main branch here. %s", WAYS)
    new: list[Script] = []
    if main:  # by their ids: files may have been moved
        lines = git("grep", "-hE", "^revision( *:.*)? *=", main, "--", ":/*.py")
        known = {id_ for _, id_ in re.findall(r"""=\s*(["'])(.*?)\1""", lines)}
        new = [each for each in script.walk_revisions() if each.revision not in known]
    return new[::-1] or [each for each in script.get_revisions("heads") if each]


def is_allowed(revision: Script, line: int, rule: str) -> bool:
    """Say whether the line, or a comment above it, allows the rule: ``# lint: RULE: reason``."""
    lines = Path(revision.path).read_text(encoding="utf-8").splitlines()[:line][::-1]
    above = takewhile(lambda text: text.strip().startswith("#"), lines[1:])
    found = (re.search(r"#\s*lint:\s*([\w, -]+):\s*\S", text) for text in (*lines[:1], *above))
    return any(rule in each[1].replace(",", " ").split() for each in found if each)
