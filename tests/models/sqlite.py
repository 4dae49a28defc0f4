"""What SQLAlchemy has for every database, and what SQLite makes of it."""

import enum

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import mapped_column

from .db import Model


class Color(enum.Enum):
    """Stored by name."""

    RED = 1
    GREEN = 2


class Wide(Model):
    """A column of each type."""

    __tablename__ = "wide"

    id = mapped_column(sa.Integer, primary_key=True)
    big = mapped_column(sa.BigInteger)
    small = mapped_column(sa.SmallInteger, server_default=sa.text("1"))
    boolean = mapped_column(sa.Boolean, server_default=sa.true())
    boolean_checked = mapped_column(
        sa.Boolean(create_constraint=True, name="boolean_checked"), server_default=sa.false()
    )
    numeric = mapped_column(sa.Numeric(12, 4), server_default="1.5")
    decimal = mapped_column(sa.DECIMAL(8, 2))
    float_ = mapped_column("float", sa.Float, server_default=sa.text("-1.5"))
    double = mapped_column(sa.Double)
    real = mapped_column(sa.REAL)
    string = mapped_column(sa.String(40), server_default='it\'s "quoted" 100%')
    unbounded = mapped_column(sa.String, server_default="")
    char = mapped_column(sa.CHAR(3), server_default="abc")
    nchar = mapped_column(sa.NCHAR(3))
    unicode = mapped_column(sa.Unicode(40), server_default="ü")
    unicode_text = mapped_column(sa.UnicodeText)
    text = mapped_column(sa.Text, server_default="text")
    collated = mapped_column(sa.String(40, collation="NOCASE"))
    binary = mapped_column(sa.LargeBinary)
    blob = mapped_column(sa.BLOB)
    date = mapped_column(sa.Date, server_default=sa.func.current_date())
    time = mapped_column(sa.Time)
    datetime = mapped_column(sa.DateTime, server_default=sa.func.now())
    datetime_zone = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())
    timestamp = mapped_column(sa.TIMESTAMP, server_default=sa.text("CURRENT_TIMESTAMP"))
    interval = mapped_column(sa.Interval)
    enum = mapped_column(sa.Enum(Color), server_default="RED")
    enum_checked = mapped_column(
        sa.Enum("a", "b", name="letter", create_constraint=True), server_default="a"
    )
    uuid = mapped_column(sa.Uuid)
    uuid_string = mapped_column(sa.Uuid(as_uuid=False))
    json = mapped_column(sa.JSON, server_default="{}")
    json_sqlite = mapped_column(sqlite.JSON, server_default=sa.text("'[]'"))
    pickled = mapped_column(sa.PickleType)

    __table_args__ = (
        sa.UniqueConstraint("string", "small"),
        sa.CheckConstraint("small > 0", name="small_is_positive"),
        sa.Index("ix_wide_partial", "text", sqlite_where=sa.literal_column("small > 5")),
        sa.Index("ix_wide_unique", "big", "date", unique=True),
        sa.Index("ix_wide_descending", sa.desc("big")),
    )


class Derived(Model):
    """Columns that are computed: batch mode cannot copy them."""

    __tablename__ = "derived"

    id = mapped_column(sa.Integer, primary_key=True)
    small = mapped_column(sa.SmallInteger)
    computed = mapped_column(sa.Integer, sa.Computed("small * 2"))
    stored = mapped_column(sa.Integer, sa.Computed("small + 1", persisted=True))


class Place(Model):
    """A key of two columns, and one that refers to its own table."""

    __tablename__ = "places"

    country = mapped_column(sa.String(2), primary_key=True)
    number = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    parent_country = mapped_column(sa.String(2))
    parent_number = mapped_column(sa.Integer)

    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["parent_country", "parent_number"],
            ["places.country", "places.number"],
            ondelete="CASCADE",
        ),
        sa.Index("ix_places_lower", sa.func.lower(country)),
    )


class Visit(Model):
    """Refers to both."""

    __tablename__ = "visits"

    id = mapped_column(sa.Integer, primary_key=True)
    wide_id = mapped_column(sa.ForeignKey("wide.id", ondelete="SET NULL"), unique=True)
    other_id = mapped_column(
        sa.ForeignKey("wide.id", deferrable=True, initially="DEFERRED"), index=True
    )
    country = mapped_column(sa.String(2), nullable=False)
    number = mapped_column(sa.Integer, nullable=False)

    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["country", "number"], ["places.country", "places.number"], onupdate="CASCADE"
        ),
    )
