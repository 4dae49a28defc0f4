"""Says what the steps of a revision do, for plan.py, and which rule they break, for lint.py."""

from collections.abc import Iterator, Sequence
from math import inf
from typing import Any, cast

from alembic.operations import ops
from sqlalchemy import TEXT, VARCHAR, Column, Enum, String, Text, Unicode, UnicodeText

from ..backends.steps import name_of
from .recorder import Step

TEXTS = {String, Text, Unicode, UnicodeText, VARCHAR, TEXT}
# The words for each operation, and the rule that it breaks, if it does.
OPERATIONS = {
    "CreateTableOp": ("creates table {table}", ""),
    "DropTableOp": ("drops table {table} with its rows", "ban-drop-table"),
    "RenameTableOp": ("renames table {table} to {0.new_table_name}", "renaming-table"),
    "AddColumnOp": ("adds column {table}.{0.column.name}", ""),
    "DropColumnOp": ("drops column {table}.{0.column_name} with its values", "ban-drop-column"),
    "CreateIndexOp": ("adds index {0.index_name} to {table}", ""),
    "DropIndexOp": ("drops index {0.index_name}", ""),
    "CreateUniqueConstraintOp": ("adds unique constraint {name} to {table}", ""),
    "CreatePrimaryKeyOp": ("adds primary key to {table}", "adding-serial-primary-key-field"),
    "CreateForeignKeyOp": ("adds foreign key {name} to {table}", "adding-foreign-key-constraint"),
    "CreateCheckConstraintOp": ("adds check {name} to {table}", "constraint-missing-not-valid"),
    "DropConstraintOp": ("drops constraint {name} of {table}", ""),
    "BulkInsertOp": ("inserts rows into {table}", ""),
}


def effects(step: Step) -> Iterator[tuple[str, str]]:
    """Yield each thing that a step does, with the rule that it breaks or nothing."""
    operation: Any = step.operation
    kind = type(operation).__name__
    if step.copied:
        yield f"copies table {step.copied}, to change it", "copying-table"
    if isinstance(operation, ops.AlterColumnOp):
        yield from altered(operation)
    elif isinstance(operation, ops.AddColumnOp) and is_required(operation.column):
        name = f"{name_of(operation)}.{operation.column.name}"
        yield f"adds column {name}, NOT NULL without a default", "adding-required-field"
    elif kind in OPERATIONS:
        words, rule = OPERATIONS[kind]
        names = {"table": name_of(operation), "name": getattr(operation, "constraint_name", "")}
        yield words.format(operation, **names).replace(" None", ""), rule
    else:  # a statement, or an operation of a plugin
        for sql in step.sql:
            line = " ".join(sql.split()).rstrip(";")
            if line != "BEGIN":
                shown = line if len(line) <= 90 else f"{line[:87]}..."
                yield ("commits all before this" if line == "COMMIT" else f"runs {shown}"), ""


def altered(operation: ops.AlterColumnOp) -> Iterator[tuple[str, str]]:
    name = f"{name_of(operation)}.{operation.column_name}"
    if operation.modify_name:
        yield f"renames column {name} to {operation.modify_name}", "renaming-column"
    if operation.modify_type is not None:
        old = f" from {Column(operation.existing_type).type!r}" if operation.existing_type else ""
        text = f"changes the type of {name}{old} to {Column(operation.modify_type).type!r}"
        more = "" if is_wider(operation, [(1, inf)]) else "; may rewrite the table"
        yield f"{text}{more}", "changing-column-type"
    if operation.modify_nullable is False:
        yield f"makes {name} NOT NULL", "adding-not-nullable-field"
    elif operation.modify_nullable:
        yield f"lets {name} be NULL", ""
    if operation.modify_server_default is None:
        yield f"removes the default of {name}", "ban-drop-default"
    elif operation.modify_server_default is not False:
        yield f"changes the default of {name}", ""
    if operation.modify_comment is not False:
        yield f"changes the comment of {name}", ""


def is_wider(operation: Any, spans: Sequence[tuple[float, float]]) -> bool:
    """Say whether a type only takes more: an Enum at its end, or a text within one of the spans."""
    given = (getattr(operation, f"{which}_type", None) for which in ("existing", "modify"))
    old, new = (cast("Any", Column(each).type) for each in given)
    if isinstance(old, Enum) and isinstance(new, Enum):
        return bool(new.enums[: len(old.enums)] == old.enums)
    if not {type(old), type(new)} <= TEXTS or old.collation != new.collation:
        return False
    before, after = old.length or inf, new.length or inf
    return any(low <= before <= after <= high for low, high in spans)


def is_required(column: Any) -> bool:
    """Say whether each new row must have a value for a new column."""
    value = column.computed or column.identity or column.primary_key or column.nullable
    return not value and column.server_default is None
