"""The rules of lint.py, by the names that squawk has for them; and what it does not see in SQL."""

import re
from collections.abc import Iterator

SCANS = "others cannot write while it reads the table"
OLD = "running code has the old"
LATER = "give it postgresql_not_valid=True, then VALIDATE CONSTRAINT in an autocommit_block()"
CONCURRENTLY = "give it postgresql_concurrently=True, in an autocommit_block()"
WITHOUT = "running code reads it: deploy code without it first, then say so in a comment"
BUILDS = "others wait for its index: create a unique index concurrently, then ADD CONSTRAINT"

# What to write instead; docs/lint.md has more.
ADVICE = {
    "adding-field-with-default": "rewrites the table: set the default afterwards, and fill in batches",
    "adding-foreign-key-constraint": f"{SCANS}: {LATER}",
    "adding-not-nullable-field": "others wait while it reads the table: first VALIDATE a check of it",
    "adding-required-field": "running code leaves it out: give it a server_default, or allow NULL",
    "adding-serial-primary-key-field": f"{BUILDS} ... PRIMARY KEY USING INDEX",
    "ban-drop-column": WITHOUT,
    "ban-drop-default": "running code may leave the column out: deploy code that writes it first",
    "ban-drop-table": WITHOUT,
    "changing-column-type": f"may rewrite the table, and {OLD} type: fill another one in batches",
    "constraint-missing-not-valid": f"{SCANS}: {LATER}",
    "copying-table": "others wait while all rows are copied: run it when nobody needs the table",
    "disallowed-unique-constraint": f"{BUILDS} ... UNIQUE USING INDEX",
    "locking-table": "others wait until it is done: run it when nobody uses the table, or CONCURRENTLY",
    "renaming-column": f"{OLD} name: in the model only, write new: ... = mapped_column('old')",
    "renaming-table": f"{OLD} name: keep __tablename__, or leave a view with it",
    "require-concurrent-index-creation": f"{SCANS}: {CONCURRENTLY}",
    "require-concurrent-index-deletion": f"others wait until it gets its lock: {CONCURRENTLY}",
    "syntax-error": "squawk cannot read it: look at it yourself, then say so in a comment",
    "updating-whole-table": "its rows stay locked to the end of the run: do it in batches",
}
# What comes with rules that say more; and what squawk says of names that no code has.
PARTS = ("ban-drop-function", "constraint-missing-not-valid", "renaming-object")
UNNAMED = ("Renaming an index", "Renaming a constraint")
# Rules of squawk that are off: docs/lint.md says why.
OFF = (
    "ban-char-field,ban-drop-constraint,ban-drop-not-null,ban-drop-type,ban-uncommitted-transaction,"
    "prefer-bigint-over-int,prefer-bigint-over-smallint,prefer-identity,prefer-robust-stmts,"
    "prefer-text-field,prefer-timestamp-tz,require-enum-value-ordering,require-lock-timeout,"
    "require-statement-timeout,require-timeout-settings,transaction-nesting"
)
TABLE, REST = r"""(?P<table>(?:[\w.]|"[^"]*"|`[^`]*`)+)""", r"(?:[^()]|\((?:[^()]|\([^()]*\))*\))*"
COLUMN = r"(?:[^,()]|\([^()]*\))*"
ALTER = rf"ALTER TABLE (?:ONLY |IF EXISTS )*{TABLE} (?:{REST}, ?)?"
IS_COLUMN = r"(?!(?:CONSTRAINT|CHECK|UNIQUE|INDEX|KEY|FULLTEXT|SPATIAL|PRIMARY|FOREIGN)\b)"
ADD = rf"{ALTER}ADD (?:COLUMN )?(?:IF NOT EXISTS )?{IS_COLUMN}"
UNSEEN = {  # by squawk
    rf"CREATE (?:\w+ )*TABLE (?:IF NOT EXISTS )?{TABLE}": "new",
    rf"(?:UPDATE|DELETE FROM) (?:ONLY )?{TABLE}(?!{REST} (?:WHERE|LIMIT)\b)": "updating-whole-table",
    rf"(?:VACUUM[ (]+FULL\b\W*|CLUSTER\b ?|LOCK TABLES? ?|REFRESH .* VIEW (?!CONC)){TABLE}?": "locking-table",
    rf"{ADD}\S+ (?:big|small)?serial\b": "adding-field-with-default",
    rf"{ADD}{COLUMN} CHECK ?\(": "constraint-missing-not-valid",
}
UNREAD = {  # where there is no squawk
    rf"DROP TABLE (?:IF EXISTS )?{TABLE}": "ban-drop-table",
    rf"{ALTER}DROP (?:COLUMN )?{IS_COLUMN}": "ban-drop-column",
    rf"(?:RENAME TABLE |(?=ALTER .* RENAME (?:TO|AS) )ALTER TABLE ){TABLE}": "renaming-table",
    rf"{ALTER}(?:RENAME COLUMN|CHANGE (?:COLUMN )?(?P<old>\S+) (?!(?P=old) ))": "renaming-column",
    rf"{ALTER}(?:MODIFY|CHANGE (?:COLUMN )?(?P<old>\S+) (?P=old)) ": "changing-column-type",
    rf"{ADD}(?={COLUMN} NOT NULL)(?!{COLUMN} (?:DEFAULT|AS|AUTO_\w+)\b)": "adding-required-field",
}
# Comments and texts; then defaults that differ from row to row: squawk takes all expressions for that.
SKIPPED = re.compile(r"--.*|/\*(?s:.*?)\*/|'(?:[^']|'')*'|\$(\w*)\$(?s:.*?)\$\1\$")
STABLE = r"(?:now|timezone|lower|upper|cast|array|coalesce|concat|date_trunc|jsonb?_\w+|make_\w+|\w*char)"
REWRITES = re.compile(
    rf"\bGENERATED|serial\b|\bDEFAULT\b.*\b(?!{STABLE}\b)[a-z_]\w* ?\(", re.IGNORECASE
)


def broken_by(sql: str, is_read: bool) -> Iterator[tuple[str, str]]:
    """Yield each rule that SQL breaks, with the table that it makes (``new``), changes or locks."""
    text = " ".join(SKIPPED.sub(" ", sql).split())
    for each in [text] if text.upper().startswith("CREATE") else text.split(";"):
        for pattern, rule in (UNSEEN if is_read else {**UNSEEN, **UNREAD}).items():
            if found := re.match(pattern, each.strip(), re.IGNORECASE):
                yield rule, re.sub(r'[`"]', "", found["table"] or "")
