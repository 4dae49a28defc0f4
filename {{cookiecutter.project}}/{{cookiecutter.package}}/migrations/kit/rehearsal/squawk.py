"""Asks squawk, or another linter of SQL, which rules statements break; for lint.py."""

import json
import shutil
import subprocess
import sysconfig
from typing import Any

from alembic.script import Script
from alembic.util import CommandError

from .recorder import Step

# Rules of squawk that are off: docs/lint.md says why.
OFF = (
    "ban-char-field,ban-drop-constraint,ban-drop-not-null,ban-drop-type,ban-uncommitted-transaction,"
    "prefer-bigint-over-int,prefer-bigint-over-smallint,prefer-identity,prefer-robust-stmts,"
    "prefer-text-field,prefer-timestamp-tz,require-enum-value-ordering,require-lock-timeout,"
    "require-statement-timeout,require-timeout-settings,transaction-nesting"
)
# What it says of names that no code has.
UNNAMED = ("Renaming an index", "Renaming a constraint")


def by_sql(linter: str, steps: list[tuple[Script, Step]]) -> dict[int, dict[str, str]]:
    """Return, by the id of the step, the rules that a linter of SQL finds broken, and what it says."""
    lines = [("BEGIN;", 0)]
    lines += [
        (line, id(step)) for _, step in steps for sql in step.sql for line in sql.splitlines()
    ]
    text = "\n".join(line for line, _ in lines)
    command = shutil.which(linter, path=sysconfig.get_path("scripts")) or shutil.which(linter)
    if not command:
        raise CommandError(f"{linter} is not installed: add {linter}-cli to the dev group.")
    call = (command, "--reporter", "json", "--exclude", OFF)
    done = subprocess.run(call, input=text, capture_output=True, check=False, encoding="utf-8")
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout)
    except ValueError:
        raise CommandError(f"{linter} has failed: {done.stderr or done.stdout}") from None
    rules: dict[int, dict[str, str]] = {}
    for each in found:
        if not each["message"].startswith(UNNAMED):
            owner = lines[min(each["line"], len(lines) - 1)][1]
            rules.setdefault(owner, {})[each["rule_name"]] = each["message"]
    unread = {key: each for key, each in rules.items() if key and "syntax-error" in each}
    if unread:  # then it has looked at nothing else
        return unread | by_sql(linter, [each for each in steps if id(each[1]) not in unread])
    return rules
