"""Renames a table, with what is named after it: that is dropped by its old name and created by the new one."""

from functools import partial
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from sqlalchemy import ForeignKeyConstraint, Table

from .order import key_of, name_of
from .steps import SQL, RenameTable, compare


def rename_table(
    changes: ops.UpgradeOps,
    drop: ops.DropTableOp,
    create: ops.CreateTableOp,
    autogenerate: AutogenContext,
    rename_key: str | None,
) -> None:
    """Put one step in the place of two, and what Alembic finds different if the name is the same."""
    old, new, schema = drop.table_name, create.table_name, drop.schema
    dialect = autogenerate.dialect
    there, wanted = drop.to_table(), autogenerate.table_key_to_table[name_of(create)]
    found = there.to_metadata(there.metadata, name=new)
    change = ops.ModifyTableOps(new, [], schema=schema)
    keys = ops.ModifyTableOps(old, [], schema=schema)
    compare(autogenerate, "table", change, schema, old, found, wanted)
    for column in wanted.columns:
        altered = ops.AlterColumnOp(new, column.name, schema=schema)
        pair = found.columns[column.name], column
        compare(autogenerate, "column", altered, schema, old, column.name, *pair)
        change.ops += [altered] if altered.has_changes() else []
    # Alembic does not compare the names of foreign keys. Where one can be dropped without its table,
    # all are, and before all else: MySQL cannot change its index meanwhile.
    change.ops = [step for step in change.ops if key_of(step) is None]
    theirs, ours = keys_of(there), keys_of(wanted)
    first, same = (keys, set()) if dialect.supports_alter else (change, theirs.keys() & ours.keys())
    for name in sorted(theirs.keys() - same, key=str):
        step = ops.DropConstraintOp.from_constraint(theirs[name])
        step.table_name = first.table_name
        first.ops.append(step)
    for name in sorted(ours.keys() - same, key=str):
        change.ops.append(ops.AddConstraintOp.from_constraint(ours[name]))
    one, other = there.primary_key.name, wanted.primary_key.name
    if rename_key and isinstance(one, str) and isinstance(other, str) and one != other:
        preparer = dialect.identifier_preparer
        before, after = preparer.quote(one), preparer.quote(other)
        statement = partial(rename_key.format, preparer.format_table(wanted))
        change.ops.append(SQL(statement(before, after), statement(after, before)))
    both = (name_of(drop), name_of(create))
    gone = [s for s in changes.ops if getattr(s, "table_name", None) and name_of(s) in both]
    changes.ops = [step for step in changes.ops if step not in gone]
    changes.ops += [keys, RenameTable(old, new, schema=schema), change]


def keys_of(table: Table) -> dict[Any, ForeignKeyConstraint]:
    """Return the foreign keys by name; those without one by their columns."""
    keys = table.foreign_key_constraints
    return {k.name if isinstance(k.name, str) else (*k.column_keys,): k for k in keys}
