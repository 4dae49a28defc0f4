"""Renames a table, with what is named after it: that is dropped by its old name and created by the new one."""

from functools import partial
from itertools import chain
from typing import Any

from alembic.operations import ops
from sqlalchemy import (
    CheckConstraint,
    Constraint,
    ForeignKeyConstraint,
    PrimaryKeyConstraint,
    Table,
)
from sqlalchemy.schema import CreateTable

from .order import name_of
from .steps import SQL, RenameTable, alter


def rename_table(
    changes: ops.UpgradeOps,
    drop: ops.DropTableOp,
    create: ops.CreateTableOp,
    impl: Any,
    rename_key: str | None,
) -> None:
    """Put one step in the place of two, and those for what is named after the table."""
    old, new, schema = drop.table_name, create.table_name, drop.schema
    found, wanted = drop.to_table(), create.to_table()
    change = ops.ModifyTableOps(new, [], schema=schema)
    keys = ops.ModifyTableOps(old, [], schema=schema)
    both = (name_of(drop), name_of(create))
    indexed = [s for s in changes.ops if isinstance(s, ops.ModifyTableOps) and name_of(s) in both]
    indexes: list[Any] = [step for each in indexed for step in each.ops]
    theirs, ours = constraints_of(found), constraints_of(wanted)
    for name in [name for name in ours if not isinstance(name, str)]:
        if isinstance(ours[name], ForeignKeyConstraint) and impl.dialect.supports_alter:
            continue  # MySQL cannot change its index meanwhile
        same = [key for key, each in theirs.items() if signature(each) == name]
        for index in [step for step in indexes if isinstance(step, ops.DropIndexOp)]:
            made = index.to_index()
            same += (
                [index.index_name] if made.unique and (*made.columns.keys(),) == name[1:] else []
            )
        if same:  # stays as it is; MySQL has unique indexes in place of constraints
            ours.pop(name)
            theirs.pop(same[0], None)
            indexes = [step for step in indexes if step.index_name != same[0]]
    names = [step.index_name for step in indexes]
    for step in indexes:
        if names.count(step.index_name) == 1:  # of one of the two
            step.table_name = new
            change.ops.append(step)
    for name in sorted(theirs.keys() - ours.keys() - {*names}, key=str):
        gone = ops.DropConstraintOp.from_constraint(theirs[name])
        is_key = isinstance(theirs[name], ForeignKeyConstraint) and impl.dialect.supports_alter
        gone.table_name = old if is_key else new  # keys are dropped before all else
        (keys if is_key else change).ops.append(gone)
    sql = str(CreateTable(wanted).compile(dialect=impl.dialect))
    for name in sorted(ours.keys() - theirs.keys(), key=str):
        if not isinstance(name, str) or name in sql:  # not all checks of types are made
            change.ops.append(ops.AddConstraintOp.from_constraint(ours[name]))
    for column in wanted.columns:
        altered = alter(ops.AlterColumnOp, change, found.columns[column.name], column, impl)
        change.ops += [altered] if altered.has_changes() else []
    one, other = found.primary_key.name, wanted.primary_key.name
    if rename_key and isinstance(one, str) and isinstance(other, str) and one != other:
        preparer = impl.dialect.identifier_preparer
        before, after = preparer.quote(one), preparer.quote(other)
        statement = partial(rename_key.format, preparer.format_table(wanted))
        change.ops.append(SQL(statement(before, after), statement(after, before)))
    changes.ops = [step for step in changes.ops if step not in (drop, create, *indexed)]
    changes.ops += [keys, RenameTable(old, new, schema=schema), change]


def constraints_of(table: Table) -> dict[Any, Constraint]:
    """Return the constraints by name; those without one by what they are about."""
    found = chain(table.constraints, *(column.constraints for column in table.columns))
    items = [each for each in found if not isinstance(each, PrimaryKeyConstraint)]
    return {each.name if isinstance(each.name, str) else signature(each): each for each in items}


def signature(constraint: Any) -> tuple[Any, ...]:
    """Return what a constraint without a name is known by; the columns of a check are not."""
    columns = () if isinstance(constraint, CheckConstraint) else constraint.columns
    return (type(constraint), *(column.name for column in columns))
