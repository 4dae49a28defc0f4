"""The rules of lint.py, by the names that squawk has for them."""

SCANS = "others cannot write while it reads the table"
LATER = "give it postgresql_not_valid=True, then VALIDATE CONSTRAINT in an autocommit_block()"
CONCURRENTLY = "give it postgresql_concurrently=True, in an autocommit_block()"
WITHOUT = "running code reads it: deploy code without it first, then say so in a comment"
BUILDS = "others wait for its index: create a unique index concurrently, then ADD CONSTRAINT"

# What to write instead; docs/lint.md has more.
ADVICE = {
    "adding-field-with-default": "rewrites the table: set the default after adding the column, and "
    "fill in batches",
    "adding-foreign-key-constraint": f"{SCANS}: {LATER}",
    "adding-not-nullable-field": "others wait while it reads the table: first a check IS NOT NULL, "
    "not valid, then VALIDATE it, then this",
    "adding-required-field": "running code does not write it: give it a server_default, or let it "
    "be NULL until all code writes it",
    "adding-serial-primary-key-field": f"{BUILDS} ... PRIMARY KEY USING INDEX",
    "ban-drop-column": WITHOUT,
    "ban-drop-default": "running code may leave the column out: deploy code that writes it first",
    "ban-drop-table": WITHOUT,
    "changing-column-type": "may rewrite the table, and running code has the old type: add a column "
    "beside it, fill that in batches",
    "constraint-missing-not-valid": f"{SCANS}: {LATER}",
    "copying-table": "others wait while all rows are copied: run it when nobody needs the table",
    "disallowed-unique-constraint": f"{BUILDS} ... UNIQUE USING INDEX",
    "renaming-column": "running code has the old name: rename it in the model only, as "
    'new: ... = mapped_column("old")',
    "renaming-table": "running code has the old name: keep __tablename__, or leave a view with it",
    "require-concurrent-index-creation": f"{SCANS}: {CONCURRENTLY}",
    "require-concurrent-index-deletion": f"others wait until it gets its lock: {CONCURRENTLY}",
    "syntax-error": "squawk cannot read it: look at it yourself, then say so in a comment",
}
# What comes with rules that say more; and what squawk says of names that no code has.
PARTS = ("ban-drop-function", "constraint-missing-not-valid", "renaming-object")
UNNAMED = ("Renaming an index", "Renaming a constraint")
TYPES = """ban-char-field prefer-bigint-over-int prefer-bigint-over-smallint prefer-identity
prefer-text-field prefer-timestamp-tz"""
# Rules of squawk that are off, and why.
OFF = {
    "require-lock-timeout": "the guard sets it (MIGRATION_LOCK_TIMEOUT)",
    "require-timeout-settings": "the same",
    "require-statement-timeout": "what blocks others is found; what does not may take its time",
    "prefer-robust-stmts": "a run that fails is rolled back, so it can be repeated",
    "ban-drop-not-null": "running code goes on writing values",
    "ban-drop-constraint": "running code goes on writing what was allowed",
    "ban-drop-type": "PostgreSQL drops only a type that no column has",
    "transaction-nesting": "a revision may commit on its way",
    "require-enum-value-ordering": "mostly the end is where a new value belongs",
    **dict.fromkeys(TYPES.split(), "types are a matter of the models, and lock nothing"),
}
