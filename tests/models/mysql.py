"""What SQLAlchemy has for every database, and what only MySQL and MariaDB have."""

import enum

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
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
    empty = mapped_column(sa.String(40), server_default="")
    char = mapped_column(sa.CHAR(3), server_default="abc")
    nchar = mapped_column(sa.NCHAR(3))
    unicode = mapped_column(sa.Unicode(40), server_default="ü")
    unicode_text = mapped_column(sa.UnicodeText)
    text = mapped_column(sa.Text)
    collated = mapped_column(sa.String(40, collation="utf8mb4_bin"))
    binary = mapped_column(sa.LargeBinary)
    blob = mapped_column(sa.BLOB)
    date = mapped_column(sa.Date, server_default=sa.text("(current_date)"))
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
    json = mapped_column(sa.JSON, server_default=sa.text("('{}')"))
    json_function = mapped_column(mysql.JSON, server_default=sa.text("(json_array())"))
    datetime6 = mapped_column(mysql.DATETIME(fsp=6), server_default=sa.text("CURRENT_TIMESTAMP(6)"))
    datetime3 = mapped_column(mysql.DATETIME(fsp=3))
    updated_at = mapped_column(
        sa.DateTime, server_default=sa.text("CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP")
    )
    updated_at6 = mapped_column(
        mysql.TIMESTAMP(fsp=6),
        server_default=sa.text("CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)"),
        nullable=False,
    )
    time3 = mapped_column(mysql.TIME(fsp=3))
    date_fixed = mapped_column(sa.Date, server_default="2026-01-01")
    datetime_fixed = mapped_column(sa.DateTime, server_default="2026-01-01 00:00:00")
    tinytext = mapped_column(mysql.TINYTEXT)
    mediumtext = mapped_column(mysql.MEDIUMTEXT)
    longtext = mapped_column(mysql.LONGTEXT(collation="utf8mb4_unicode_ci"))
    latin = mapped_column(mysql.VARCHAR(40, charset="latin1"))
    mediumblob = mapped_column(mysql.MEDIUMBLOB)
    longblob = mapped_column(mysql.LONGBLOB)
    fixed_binary = mapped_column(sa.BINARY(16))
    varbinary = mapped_column(sa.VARBINARY(16))
    tinyint = mapped_column(mysql.TINYINT, server_default="0")
    tinyint_unsigned = mapped_column(mysql.TINYINT(unsigned=True), server_default=sa.text("0"))
    mediumint = mapped_column(mysql.MEDIUMINT, server_default="-1")
    unsigned = mapped_column(mysql.INTEGER(unsigned=True), server_default="7")
    big_unsigned = mapped_column(mysql.BIGINT(unsigned=True))
    year = mapped_column(mysql.YEAR, server_default="2026")
    bit = mapped_column(mysql.BIT(8), server_default=sa.text("b'101'"))
    set = mapped_column(mysql.SET("a", "b"), server_default="a,b")
    enum_mysql = mapped_column(mysql.ENUM("low", "it's high"), server_default="it's high")
    uuid_made = mapped_column(sa.String(36), server_default=sa.text("(uuid())"))
    commented = mapped_column(sa.Integer, server_default="1", comment="It's commented: 100%")
    pickled = mapped_column(sa.PickleType)
    computed = mapped_column(sa.Integer, sa.Computed("small * 2"))
    stored = mapped_column(sa.Integer, sa.Computed("small + 1", persisted=True))

    __table_args__ = (
        sa.UniqueConstraint("string", "small"),
        sa.CheckConstraint("small > 0", name="small_is_positive"),
        sa.Index("ix_wide_prefix", "text", mysql_length=20),
        sa.Index("ix_wide_fulltext", "mediumtext", mysql_prefix="FULLTEXT"),
        sa.Index("ix_wide_unique", "big", "date", unique=True),
        sa.Index("ix_wide_descending", sa.desc("big")),
        {
            "comment": "What it's for: 100%",
            "mysql_charset": "utf8mb4",
            "mysql_collate": "utf8mb4_unicode_ci",
            "mysql_engine": "InnoDB",
        },
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
    other_id = mapped_column(sa.ForeignKey("wide.id", ondelete="RESTRICT"), index=True)
    country = mapped_column(sa.String(2), nullable=False)
    number = mapped_column(sa.Integer, nullable=False)

    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["country", "number"], ["places.country", "places.number"], onupdate="CASCADE"
        ),
    )
