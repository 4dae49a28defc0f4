"""The models. Change them, then: ``alembic revision --autogenerate -m "what changed"``."""

from datetime import datetime

from sqlalchemy import String, func
from sqlalchemy.orm import Mapped, mapped_column

from .db import AuthModel, Model


class User(AuthModel):
    """Somebody who writes, in the database ``auth``."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80), unique=True)


class Post(Model):
    """Something written, in the default database."""

    __tablename__ = "posts"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    # The id of a user: no foreign key reaches into another database.
    author_id: Mapped[int] = mapped_column(index=True)
