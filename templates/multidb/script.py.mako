<%!
from contextlib import nullcontext

from flask import has_app_context

{{ cookiecutter.__imports }}
from {{ cookiecutter.__migrations }}.kit.databases import all_databases

make = {{ cookiecutter.__app }}


def names():
    with nullcontext() if has_app_context() else make().app_context():
        return [*all_databases(db)]
%>\
"""${message.replace("\\", "\\\\").replace('"""', "'''")}

Revision ID: ${up_revision}
Revises:${" " if down_revision else ""}${down_revision | comma,n}
Create Date: ${create_date}

"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}

revision: str = ${repr(up_revision)}
down_revision: str | Sequence[str] | None = ${repr(down_revision)}
branch_labels: str | Sequence[str] | None = ${repr(branch_labels)}
depends_on: str | Sequence[str] | None = ${repr(depends_on)}


def upgrade(engine_name: str = "default") -> None:
    """Upgrade one database: leave it alone if no function below is named for it."""
    globals().get(f"upgrade_{engine_name}", lambda: None)()


def downgrade(engine_name: str = "default") -> None:
    """Downgrade one database: leave it alone if no function below is named for it."""
    globals().get(f"downgrade_{engine_name}", lambda: None)()
% for name in context.get("databases") or names():


def upgrade_${name}() -> None:
    """Upgrade the database ``${name}``."""
    ${context.get(f"{name}_upgrades") or "pass"}


def downgrade_${name}() -> None:
    """Downgrade the database ``${name}``."""
    ${context.get(f"{name}_downgrades") or "pass"}
% endfor
