"""The rules of lint.py, by their names in squawk: what that finds in SQL, and what it does not see."""

import json
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from typing import Any

from alembic.script import Script
from alembic.util import CommandError

from ..session import SKIPPED
from .recorder import Step

SCANS = "others cannot write while the table is read"
OLD = "running code has the old"
LATER = "give it postgresql_not_valid=True, then VALIDATE CONSTRAINT in an autocommit_block()"
CONCURRENTLY = "give it postgresql_concurrently=True, in an autocommit_block()"
WITHOUT = "running code reads it: deploy code without it first, then say so in a comment"
BUILDS = "others wait for its index: create a unique index concurrently, then ADD CONSTRAINT"

# What to write instead; docs/lint.md has more.
ADVICE = {
    "adding-field-with-default": "rewrites the table: set the default afterwards, and fill in batches",
    "adding-foreign-key-constraint": f"{SCANS}: {LATER}",
    "adding-not-nullable-field": "others wait while the table is read: first VALIDATE a check",
    "adding-required-field": "running code leaves it out: give it a server_default, or allow NULL",
    "adding-serial-primary-key-field": f"{BUILDS} ... PRIMARY KEY USING INDEX",
    "attaching-partition": "others wait while its rows are read: first VALIDATE a check of its bounds",
    "ban-drop-column": WITHOUT,
    "ban-drop-default": "running code may leave the column out: deploy code that writes it first",
    "ban-drop-table": WITHOUT,
    "changing-column-type": f"may rewrite the table, and {OLD} type: fill a new column in batches",
    "constraint-missing-not-valid": f"{SCANS}: {LATER}",
    "copying-table": "others wait while all rows are copied: run it when nobody needs the table",
    "disallowed-unique-constraint": f"{BUILDS} ... UNIQUE USING INDEX",
    "locking-table": "others wait until it is done: run it when nobody uses the table, or CONCURRENTLY",
    "renaming-column": f"{OLD} name: rename it in the model only: new = mapped_column('old')",
    "renaming-table": f"{OLD} name: keep __tablename__, or leave a view with it",
    "require-concurrent-index-creation": f"{SCANS}: {CONCURRENTLY}",
    "require-concurrent-index-deletion": f"others wait until it gets its lock: {CONCURRENTLY}",
    "syntax-error": "squawk cannot read it: check it yourself, then say so in a comment",
    "updating-whole-table": "takes long, and locks stay to the end of the run: do it in batches",
}
# Rules that only repeat what another finding of the same step says.
PARTS = ("ban-drop-function", "constraint-missing-not-valid", "renaming-object")
# Rules of squawk that are off: docs/lint.md says why.
OFF = (
    "ban-char-field,ban-drop-constraint,ban-drop-not-null,ban-drop-type,ban-uncommitted-transaction,"
    "prefer-bigint-over-int,prefer-bigint-over-smallint,prefer-identity,prefer-robust-stmts,"
    "prefer-text-field,prefer-timestamp-tz,require-enum-value-ordering,require-lock-timeout,"
    "require-statement-timeout,require-timeout-settings,transaction-nesting"
)
# A name of a table; a name that can only be that of a column.
TABLE = r"""(?P<table>(?:[\w.]|"[^"]*"|`[^`]*`)+)"""
COLUMN = r"(?!(CHECK|CONSTRAINT|FOREIGN|INDEX|KEY|PARTITION|PRIMARY|UNIQUE)\b)\S+"
ALTER = f"ALTER TABLE {TABLE}"
WITH = r"(WITH .*? AS ~ )?"
# What may choose a few rows, and conditions that mostly hold for all of them.
FEW = r"(?!WITH .* WHERE|.*(FROM|JOIN|,) (~|DUAL\b))"
BROAD = r"( (\S+ IS (NOT )?NULL|\S+\.\D\S* = \S+\.\D\S*|TRUE)( AND| OR| RETURNING .*)?)+$"
# How a statement begins, as statements() writes it, and the rule that it breaks. Squawk does not see these:
UNSEEN = {
    rf"CREATE (\w+ )*TABLE {TABLE}": "new",
    rf"(ALTER|DROP) TABLE {TABLE}(?!\S* ATTACH\b)": "",
    rf"{FEW}{WITH}UPDATE {TABLE}(?!.* (WHERE|LIMIT)\b(?!{BROAD}))": "updating-whole-table",
    rf"{WITH}DELETE (\w+ )?FROM {TABLE}(?!.* (WHERE|LIMIT)\b)": "updating-whole-table",
    rf"{FEW}INSERT (\w+ )*INTO \S+ (~ )?SELECT .*?\bFROM {TABLE}(?!\S* ~|.* (WHERE|LIMIT)\b)": "updating-whole-table",
    rf"ALTER TABLE \S+ ATTACH PARTITION {TABLE}": "attaching-partition",
    rf"DROP (TYPE|DOMAIN|EXTENSION) {TABLE}.* CASCADE\b": "ban-drop-column",
    rf"VACUUM .*\bFULL\b.*?{TABLE}?$": "locking-table",
    rf"(CLUSTER|LOCK|TRUNCATE|REFRESH MATERIALIZED VIEW(?! CONCURRENTLY))\b ?(TABLES? )?{TABLE}?": "locking-table",
    rf"{ALTER} (SET ((UN)?LOGGED|TABLESPACE|ACCESS METHOD)|CONVERT TO|PARTITION BY)\b": "locking-table",
    rf"{ALTER} ADD {COLUMN} ((big|small)?serial|.*\b(AUTO_INCREMENT|STORED))\b": "adding-field-with-default",
    rf"{ALTER} ADD .*\bCHECK\b(?!.* NOT VALID\b)": "constraint-missing-not-valid",
}
# Where there is no squawk, nobody else sees these.
UNREAD = {
    rf"DROP (TABLE|VIEW) {TABLE}": "ban-drop-table",
    rf"(ALTER|RENAME) TABLE {TABLE} (RENAME )?(TO|AS) ": "renaming-table",
    rf"{ALTER} (RENAME \S+ TO |CHANGE (\S+) (?!\3 ))": "renaming-column",
    rf"{ALTER} (MODIFY|CHANGE (\S+) \3) ": "changing-column-type",
    rf"{ALTER} DROP {COLUMN}": "ban-drop-column",
    rf"{ALTER} ALTER \S+ DROP DEFAULT\b": "ban-drop-default",
    rf"{ALTER} ADD (CONSTRAINT (\S+ )?)?FOREIGN\b": "adding-foreign-key-constraint",
    rf"{ALTER} ADD {COLUMN} (?=.*\bNOT NULL\b)(?!.*\b(DEFAULT|AS|AUTO_\w+)\b)": "adding-required-field",
}
# Words that change nothing here.
NOISE = re.compile(r"\b(?:COLUMN|IF EXISTS|IF NOT EXISTS|ONLY) ", re.IGNORECASE)
# Functions in defaults that rewrite no table, though squawk finds each expression there.
STABLE = r"(?:now|timezone|lower|upper|cast|array|coalesce|concat|date_trunc|jsonb?_\w+|make_\w+|\w*char)"
REWRITES = re.compile(rf"(?i)\bGENERATED|serial\b|\bDEFAULT\b.*\b(?!{STABLE}\b)[a-z_]\w* ?\(")


def statements(sql: str) -> Iterator[str]:
    """Yield each statement on one line, without texts, ~ for parentheses; each change of a table by itself.

    ``ALTER TABLE a ADD COLUMN b decimal(9, 2), DROP c`` is ``ALTER TABLE a ADD b decimal ~`` and
    ``ALTER TABLE a DROP c``.
    """
    text = " ".join(SKIPPED.sub(" ", sql).split())
    text = re.sub(r"(?i)\bVACUUM ?\((.*?)\)", r"VACUUM \1", text)  # its options are in these
    while (shorter := re.sub(r"\([^()]*\)", " ~ ", text)) != text:
        text = shorter
    text = NOISE.sub("", " ".join(text.split()))
    # A trigger has statements of its own, which do not run now.
    for each in [text] if text.upper().startswith("CREATE") else text.split(";"):
        if altered := re.match(f"{ALTER} (?P<changes>.*)", each.strip(), re.IGNORECASE):
            for change in altered["changes"].split(","):
                yield f"ALTER TABLE {altered['table']} {change.strip()} "
        else:
            yield each.strip()


def broken_by(sql: list[str], is_read: bool) -> Iterator[tuple[str, str]]:
    """Yield each rule that SQL breaks, with the table that it makes (``new``), locks or changes.

    :param is_read: whether squawk or an operation of Alembic has told the rest
    """
    for statement in (each for line in sql for each in statements(line)):
        for pattern, rule in (UNSEEN if is_read else {**UNSEEN, **UNREAD}).items():
            if found := re.match(pattern, statement, re.IGNORECASE):
                yield rule, re.sub(r'[`"]', "", found["table"] or "")


def by_linter(linter: str, steps: list[tuple[Script, Step]]) -> dict[int, dict[str, str]]:
    """Return, by the id of the step, the rules that a linter of SQL finds broken, and what it says."""
    lines = [("BEGIN;", 0)]
    lines += [(line, id(s)) for _, s in steps for sql in s.sql for line in sql.splitlines()]
    text = "\n".join(line for line, _ in lines)
    command = shutil.which(linter, path=sysconfig.get_path("scripts")) or shutil.which(linter)
    if not command:
        raise CommandError(f"{linter} is not installed: install {linter}-cli.")
    call = (command, "--reporter", "json", "--exclude", OFF)
    done = subprocess.run(call, input=text, capture_output=True, check=False, encoding="utf-8")
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout)
    except ValueError:
        raise CommandError(f"{linter} has failed: {done.stderr or done.stdout}") from None
    rules: dict[int, dict[str, str]] = {}
    for each in found:
        if not each["message"].startswith(("Renaming an index", "Renaming a constraint")):
            owner = lines[min(each["line"], len(lines) - 1)][1]
            rules.setdefault(owner, {})[each["rule_name"]] = each["message"]
    unread = {key: each for key, each in rules.items() if key and "syntax-error" in each}
    if unread:  # then it has looked at nothing else
        return unread | by_linter(linter, [each for each in steps if id(each[1]) not in unread])
    return rules
