"""A table with check constraints."""

from sqlalchemy import CheckConstraint, Enum, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from .db import Model


class Thing(Model):
    __tablename__ = "things"

    id: Mapped[int] = mapped_column(primary_key=True)
    size: Mapped[int] = mapped_column(Integer)
    name: Mapped[str] = mapped_column(String(20))
    kind: Mapped[str] = mapped_column(
        Enum("a", "b", native_enum=False, create_constraint=True, name="kind", length=5)
    )

    __table_args__ = (
        CheckConstraint("size > 0", name="size_is_positive"),
        CheckConstraint("name <> 'it''s: a'", name="name"),
    )
