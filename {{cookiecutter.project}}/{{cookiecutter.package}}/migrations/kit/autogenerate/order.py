"""The order in which a revision changes the tables, so that it runs.

Foreign keys are dropped first and created last; tables dropped children first, created parents
first. Both ways of a revision are put into this order.
"""

from collections.abc import Iterator
from enum import IntEnum
from typing import Any

from alembic.operations import ops
from sqlalchemy import ForeignKeyConstraint
from sqlalchemy.engine import Dialect

from .steps import SQL, Comment, TableChanges, named

Phase = IntEnum(
    "Phase",
    "BEFORE DROP_KEYS DROP RENAME FREE CHANGE FILL SETTLE REMAKE RENAME_BACK CREATE CREATE_KEYS AFTER",
)
INDEXES = ops.DropIndexOp, ops.CreateIndexOp
Placed = Iterator[tuple[Phase, ops.MigrateOperation]]


def put_in_order(changes: ops.OpContainer, dialect: Dialect) -> None:
    """Put the steps of one direction of a revision in order.

    :param dialect: if it can drop no foreign key (SQLite), the table is made anew: what its keys
        refer to has to be there then, but only then
    """
    placed = sorted(place_all(changes, dialect), key=lambda each: each[0])
    changes.ops = [step for _, step in placed]


def place_all(changes: ops.OpContainer, dialect: Dialect) -> Placed:
    """Return the phase of each step; split a step that belongs to several phases."""
    created = {name_of(s): s for s in changes.ops if isinstance(s, ops.CreateTableOp)}
    dropped = {name_of(s): s for s in changes.ops if isinstance(s, ops.DropTableOp)}
    indexes: dict[str, list[ops.MigrateOperation]] = {}
    is_first = True
    for step in changes.ops:
        if isinstance(step, ops.RenameTableOp):
            is_back = isinstance(changes, ops.DowngradeOps)
            yield Phase.RENAME_BACK if is_back else Phase.RENAME, step
        elif isinstance(step, ops.ModifyTableOps):
            if name_of(step) in created:
                indexes.setdefault(name_of(step), []).append(step)
            elif name_of(step) not in dropped:  # its indexes are dropped with it
                yield from place_parts(step, {*created, *dropped}, dialect)
        elif not isinstance(step, ops.CreateTableOp | ops.DropTableOp):  # types and schemas
            yield Phase.BEFORE if is_first or isinstance(step, SQL) else Phase.AFTER, step
            continue
        is_first = False
    later = {*created}
    for name, keys in parents_first(created):
        later.remove(name)
        for key in keys:
            if dialect.supports_alter and (key.use_alter or parent_of(key) in later):
                created[name].columns = [c for c in created[name].columns if c is not key]
                made = ops.AddConstraintOp.from_constraint(key)
                yield Phase.CREATE_KEYS, named(made, dialect)
        for step in (created[name], *indexes.get(name, [])):  # keys may refer to an index
            yield Phase.CREATE, step
    gone: set[str] = set()
    for name, keys in reversed(parents_first(dropped)):
        for key in keys:
            if dialect.supports_alter and parent_of(key) in gone:
                yield Phase.DROP_KEYS, named(ops.DropConstraintOp.from_constraint(key), dialect)
        yield Phase.DROP, dropped[name]
        gone.add(name)


def place_parts(change: ops.ModifyTableOps, others: set[str], dialect: Dialect) -> Placed:
    """Take the foreign keys out of the changes of a table, and put the rest in order.

    MySQL lets no foreign key be without an index, nor between columns of two types; and there is
    no check of a column that is gone. Rows are filled before a column is NOT NULL, and while those
    that are dropped are there.

    :param others: the tables that are created or dropped
    """
    is_renamed = any(isinstance(s, ops.AlterColumnOp) and s.modify_name for s in change.ops)
    fills = [step for step in change.ops if isinstance(step, ops.ExecuteSQLOp | Comment)]
    yield from ((Phase.FILL, step) for step in fills)
    parts: dict[tuple[Phase, bool], list[ops.MigrateOperation]] = {}
    for step in sorted((step for step in change.ops if step not in fills), key=place):
        key = key_of(named(step, dialect))
        phase = Phase.CHANGE
        is_apart = isinstance(step, INDEXES) and not dialect.supports_alter
        if is_apart:  # batch mode knows only the columns of an index
            phase = Phase.FREE if place(step) == 1 else Phase.REMAKE
        elif key is not None and (dialect.supports_alter or parent_of(key) in others):
            phase = Phase.DROP_KEYS if place(step) == 0 else Phase.CREATE_KEYS
        elif is_renamed and not dialect.supports_alter and place(step) > 2:
            phase = Phase.REMAKE  # batch mode knows the old name only
        elif fills and (place(step) > 2 or isinstance(step, ops.DropColumnOp) or is_not_null(step)):
            phase = Phase.SETTLE
        parts.setdefault((phase, is_apart), []).append(step)
    for (phase, _), steps in parts.items():
        yield phase, TableChanges(change.table_name, steps, schema=change.schema)


def place(step: ops.MigrateOperation) -> int:
    """Return the phase of a step: columns are changed while nothing that needs them is there."""
    if isinstance(step, ops.DropIndexOp | ops.DropConstraintOp):
        return 0 if getattr(step, "constraint_type", "") in ("foreignkey", "check") else 1
    if isinstance(step, ops.CreateIndexOp | ops.CreateUniqueConstraintOp):
        return 3
    return 4 if isinstance(step, ops.CreateForeignKeyOp | ops.CreateCheckConstraintOp) else 2


def is_not_null(step: ops.MigrateOperation) -> bool:
    return isinstance(step, ops.AlterColumnOp) and step.modify_nullable is False


def key_of(step: Any) -> ForeignKeyConstraint | None:
    """Return the foreign key that a step drops or creates, if it does that."""
    key = step.to_constraint() if hasattr(step, "to_constraint") else None
    return key if isinstance(key, ForeignKeyConstraint) else None


def name_of(step: Any) -> str:
    return f"{step.schema}.{step.table_name}" if step.schema else str(step.table_name)


def parent_of(key: ForeignKeyConstraint) -> str:
    """Return the table that a foreign key refers to."""
    return key.elements[0].target_fullname.rpartition(".")[0]


def parents_first(tables: dict[str, Any]) -> list[tuple[str, list[ForeignKeyConstraint]]]:
    """Return tables with their foreign keys; each comes after those it refers to, except in a circle."""
    items = {n: getattr(t, "columns", None) or t.to_table().constraints for n, t in tables.items()}
    keys = {name: [i for i in items[name] if isinstance(i, ForeignKeyConstraint)] for name in items}
    found: dict[str, list[ForeignKeyConstraint]] = {}
    open_: set[str] = set()

    def visit(name: str) -> None:
        if name in keys and name not in open_:
            open_.add(name)
            for parent in sorted({parent_of(key) for key in keys[name]}):
                visit(parent)
            found[name] = keys[name]

    for name in keys:
        visit(name)
    return [*found.items()]
