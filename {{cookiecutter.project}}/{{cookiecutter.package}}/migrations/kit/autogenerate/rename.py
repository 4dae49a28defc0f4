"""Tells what was renamed from what was dropped and added; used by autogenerate.py.

Autogenerate sees the latter only, and all values would be lost. What is named after a table or a
column is dropped by its old name and created by the new one.
"""

from collections.abc import Iterator
from functools import partial
from itertools import chain, product
from typing import Any

from alembic.operations import ops
from sqlalchemy import (
    CheckConstraint,
    Column,
    Constraint,
    ForeignKeyConstraint,
    PrimaryKeyConstraint,
    Table,
)
from sqlalchemy.schema import CreateTable

from ..backends import Backend
from .ask import answer, ask, can_ask, given
from .order import name_of
from .steps import SQL, RenameColumn, RenameTable, alter

Hints = dict[str, dict[str, str]]


def rename(changes: ops.UpgradeOps, impl: Any, backend: Backend) -> Hints:
    """Let what somebody says was renamed keep its rows.

    :return: what nobody said of: by what is dropped, what it may have become, and the option
    """
    hints: Hints = {}
    created = [step for step in changes.ops if isinstance(step, ops.CreateTableOp)]
    for drop in [step for step in changes.ops if isinstance(step, ops.DropTableOp)]:
        for create in created:
            if are_like(drop, create, impl) and is_renamed(name_of(drop), name_of(create), hints):
                created.remove(create)
                rename_table(changes, drop, create, impl, backend.rename_key)
                break
    for change in [step for step in changes.ops if isinstance(step, ops.ModifyTableOps)]:
        added = [step for step in change.ops if isinstance(step, ops.AddColumnOp)]
        for gone in [step for step in change.ops if isinstance(step, ops.DropColumnOp)]:
            found, table = gone.to_column(), name_of(change)
            for add in [add for add in added if not impl.compare_type(found, add.column)]:
                if is_renamed(f"{table}.{found.name}", f"{table}.{add.column.name}", hints):
                    added.remove(add)
                    step = alter(RenameColumn, change, found, add.column, impl)
                    step.modify_name = add.column.name
                    change.ops = [s for s in change.ops if s is not gone and s is not add]
                    change.ops.append(step)
                    break
    values = partial(renamed_values, statement=backend.rename_value, hints=hints)
    changes.ops = [*chain.from_iterable(map(values, changes.ops))]
    return hints


def renamed_values(step: Any, statement: str, hints: Hints) -> Iterator[Any]:
    """Yield a change of an Enum's values, and before it what gives some of them other names.

    :param statement: does that to one
    """
    old, new = getattr(step, "old_values", []), getattr(step, "new_values", [])
    for one, other in product(old, new):
        pair = f"{step.name}.{one}", f"{step.name}.{other}"
        if one not in new and other not in step.old_values and is_renamed(*pair, hints):
            step.old_values = [other if value == one else value for value in step.old_values]
            type_ = f'"{step.schema}"."{step.name}"'
            before, after = ("'{}'".format(value.replace("'", "''")) for value in (one, other))
            sql = [statement.format(type_, *both) for both in ((before, after), (after, before))]
            yield SQL(*sql)
    if not old or step.old_values != new:
        yield step


def is_renamed(old: str, new: str, hints: Hints) -> bool:
    """Say whether one name has become the other, as far as somebody knows."""
    if old in given("rename"):
        is_meant = given("rename")[old] in (new, new.rpartition(".")[2])
        return is_meant and answer("rename", old) is not None
    if can_ask():
        return ask(f"Was {old} renamed to {new}? [y/N]").lower() in ("y", "yes")
    hints.setdefault(old, {})[new] = f"-x rename={old}:{new.rpartition('.')[2]}"
    return False


def are_like(drop: ops.DropTableOp, create: ops.CreateTableOp, impl: Any) -> bool:
    """Say whether two tables have the same columns."""
    found = {column.name: column for column in drop.to_table().columns}
    wanted = {item.name: item for item in create.columns if isinstance(item, Column)}
    return (drop.schema, found.keys()) == (create.schema, wanted.keys()) and not any(
        impl.compare_type(found[name], wanted[name]) for name in found
    )


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
    names = [step.index_name for step in indexes]
    for step in indexes:
        if names.count(step.index_name) == 1:  # of one of the two
            step.table_name = new
            change.ops.append(step)
    theirs, ours = constraints_of(found), constraints_of(wanted)
    for name in [name for name in ours if not isinstance(name, str)]:  # stays as it is
        same = [key for key, each in theirs.items() if signature(each) == signature(ours[name])]
        if same and ours.pop(name) is not None:
            del theirs[same[0]]
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
