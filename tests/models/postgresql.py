"""What SQLAlchemy has for every database, and what only PostgreSQL has."""

import enum

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
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
    collated = mapped_column(sa.String(40, collation="C"))
    binary = mapped_column(sa.LargeBinary)
    bytea = mapped_column(postgresql.BYTEA)
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
    jsonb = mapped_column(postgresql.JSONB, server_default=sa.text("'[]'::jsonb"))
    jsonb_plain = mapped_column(postgresql.JSONB, server_default="{}")
    uuid_made = mapped_column(postgresql.UUID, server_default=sa.func.gen_random_uuid())
    uuid_text = mapped_column(postgresql.UUID, server_default=sa.text("gen_random_uuid()"))
    array = mapped_column(postgresql.ARRAY(sa.Text), server_default="{}")
    array_of_two = mapped_column(sa.ARRAY(sa.Integer, dimensions=2))
    enum_array = mapped_column(postgresql.ARRAY(sa.Enum("x", "y", name="axis")))
    enum_native = mapped_column(postgresql.ENUM("low", "high", name="level"), server_default="low")
    inet = mapped_column(postgresql.INET, server_default="127.0.0.1")
    cidr = mapped_column(postgresql.CIDR)
    macaddr = mapped_column(postgresql.MACADDR)
    tsvector = mapped_column(postgresql.TSVECTOR)
    document = mapped_column(
        postgresql.TSVECTOR,
        sa.Computed("to_tsvector('english'::regconfig, coalesce(text, ''))", persisted=True),
    )
    int4range = mapped_column(postgresql.INT4RANGE, server_default=sa.text("'[1,5)'::int4range"))
    tstzrange = mapped_column(postgresql.TSTZRANGE)
    int4multirange = mapped_column(postgresql.INT4MULTIRANGE)
    hstore = mapped_column(postgresql.HSTORE)
    citext = mapped_column(postgresql.CITEXT)
    bit = mapped_column(postgresql.BIT(8))
    varbit = mapped_column(postgresql.BIT(8, varying=True))
    money = mapped_column(postgresql.MONEY)
    interval_day = mapped_column(postgresql.INTERVAL(fields="DAY TO SECOND", precision=3))
    timestamp_ms = mapped_column(postgresql.TIMESTAMP(timezone=True, precision=3))
    time_zone = mapped_column(postgresql.TIME(timezone=True, precision=0))
    oid = mapped_column(postgresql.OID)
    regclass = mapped_column(postgresql.REGCLASS)
    utc = mapped_column(
        sa.DateTime, server_default=sa.text("(now() AT TIME ZONE 'utc')"), comment="It's UTC: 100%"
    )
    identity = mapped_column(sa.BigInteger, sa.Identity(always=True, start=10, increment=5))
    pickled = mapped_column(sa.PickleType)
    stored = mapped_column(sa.Integer, sa.Computed("small + 1", persisted=True))

    __table_args__ = (
        sa.UniqueConstraint("string", "small"),
        sa.CheckConstraint("small > 0", name="small_is_positive"),
        sa.Index("ix_wide_lower", sa.func.lower(string)),
        sa.Index("ix_wide_partial", "text", postgresql_where=sa.literal_column("small > 5")),
        sa.Index("ix_wide_unique", "big", "date", unique=True),
        sa.Index("ix_wide_descending", sa.desc("big")),
        sa.Index("ix_wide_last", sa.desc("big").nullslast()),
        sa.Index("ix_wide_jsonb", "jsonb", postgresql_using="gin"),
        sa.Index("ix_wide_covering", "small", postgresql_include=["big"]),
        sa.Index("ix_wide_pattern", "string", postgresql_ops={"string": "varchar_pattern_ops"}),
        postgresql.ExcludeConstraint(("int4range", "&&"), name="ex_wide_int4range"),
        {"comment": "What it's for: 100%"},
    )


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


class Entry(Model):
    """In a schema that nobody has made, with a key to the default one."""

    __tablename__ = "entries"

    id = mapped_column(sa.Integer, sa.Identity(), primary_key=True)
    wide_id = mapped_column(sa.ForeignKey("wide.id"), index=True)
    enum = mapped_column(sa.Enum("in", "out", name="direction", schema="audit"))

    __table_args__ = (sa.UniqueConstraint("wide_id", "enum"), {"schema": "audit"})


class Remark(Model):
    """With a key to the other schema."""

    __tablename__ = "remarks"

    id = mapped_column(sa.BigInteger, primary_key=True)
    entry_id = mapped_column(sa.ForeignKey("audit.entries.id"))
