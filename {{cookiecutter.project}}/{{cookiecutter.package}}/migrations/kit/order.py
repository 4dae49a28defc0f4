"""The order in which a revision changes a table; used by autogenerate.py."""

from typing import TypeGuard

from alembic.operations import ops


def put_in_order(changes: ops.OpContainer) -> None:
    """Drop foreign keys and checks first, create them last, and drop tables with their indexes.

    MySQL lets no foreign key be without an index, nor between columns of two types; and there is
    no check of a column that is gone.
    """
    drops = [change for change in changes.ops if isinstance(change, ops.DropTableOp)]
    dropped = {(change.schema, change.table_name) for change in drops}
    for change in changes.ops:
        if isinstance(change, ops.ModifyTableOps):
            if (change.schema, change.table_name) in dropped:
                change.ops = [step for step in change.ops if not isinstance(step, ops.DropIndexOp)]
            change.ops.sort(key=place)


def place(step: ops.MigrateOperation) -> int:
    """Say where a step belongs: the columns are changed while nothing that needs them is there."""
    if is_dropped(step, "foreignkey") or is_dropped(step, "check"):
        return 0
    return 2 if isinstance(step, ops.CreateForeignKeyOp | ops.CreateCheckConstraintOp) else 1


def is_dropped(step: ops.MigrateOperation, kind: str) -> TypeGuard[ops.DropConstraintOp]:
    return isinstance(step, ops.DropConstraintOp) and step.constraint_type == kind
