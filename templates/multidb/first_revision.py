"""Users and posts.

Revision ID: 5b1f0c3a9d27
Revises:
Create Date: 2026-01-01 00:00:00+00:00

"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "5b1f0c3a9d27"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade(engine_name: str = "default") -> None:
    """Upgrade one database: leave it alone if no function below is named for it."""
    globals().get(f"upgrade_{engine_name}", lambda: None)()


def downgrade(engine_name: str = "default") -> None:
    """Downgrade one database: leave it alone if no function below is named for it."""
    globals().get(f"downgrade_{engine_name}", lambda: None)()


def upgrade_default() -> None:
    """Upgrade the database ``default``."""
    op.create_table(
        "posts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(), server_default=sa.func.now(), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_posts")),
    )
    op.create_index(op.f("ix_posts_author_id"), "posts", ["author_id"])


def downgrade_default() -> None:
    """Downgrade the database ``default``."""
    op.drop_table("posts")


def upgrade_auth() -> None:
    """Upgrade the database ``auth``."""
    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("name", name=op.f("uq_users_name")),
    )


def downgrade_auth() -> None:
    """Downgrade the database ``auth``."""
    op.drop_table("users")
