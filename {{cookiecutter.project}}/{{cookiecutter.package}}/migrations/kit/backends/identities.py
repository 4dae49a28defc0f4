"""Tells PostgreSQL whether a column was an IDENTITY before, which Alembic does not write of a changed one."""

import re
from typing import Any

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from sqlalchemy import Identity


class ChangedIdentity(ops.AlterColumnOp):
    """A column that was an IDENTITY, and becomes another, or none."""


@renderers.dispatch_for(ChangedIdentity)
def render_changed_identity(autogenerate: AutogenContext, step: ChangedIdentity) -> str:
    found: str = renderers.dispatch(ops.AlterColumnOp)(autogenerate, step)
    back: Any = ops.AlterColumnOp(step.table_name, step.column_name)
    back.modify_server_default = step.existing_server_default
    before = re.findall(
        r"sa\.Identity\([^)]*\)", renderers.dispatch(type(back))(autogenerate, back)
    )
    return f"{found[:-1]},\n{' ' * 11}existing_server_default={before[0]})"


def tell_identities(way: ops.OpContainer) -> None:
    """Let one way of a revision change an IDENTITY."""
    for change in [step for step in way.ops if isinstance(step, ops.ModifyTableOps)]:
        for step in [step for step in change.ops if type(step) is ops.AlterColumnOp]:
            is_changed = step.modify_server_default is not False
            if is_changed and isinstance(step.existing_server_default, Identity):
                step.__class__ = ChangedIdentity
