"""Hundreds of definitions: none is found different from itself, and every change is noticed.

Run in a rendered project by test_matrix.py. Each definition has a table of its own; all are made by
what autogenerate writes, and compared at once. Then each is changed into the next one of its kind.
"""

import argparse
import importlib
import io
import logging
import warnings
from argparse import Namespace
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa
from alembic import command
from evolve import Project
from sqlalchemy import CheckConstraint, Column, Index, UniqueConstraint, func, text
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.exc import SAWarning

Items = Callable[[], list[Any]]


def c(type_: Any, *items: Any, **options: Any) -> Items:
    """Return a function that makes a column: a column can be used once."""
    options.setdefault("nullable", True)
    default = options.pop("default", None)
    if default is not None:
        options["server_default"] = default
    return lambda: [Column("c", type_, *items, **options)]


def each(function: Callable[[Any], list[Any]], *values: Any) -> list[Items]:
    """Return a function for each value that makes the items of a table of it."""
    return [partial(function, value) for value in values]


def k(*options: dict[str, Any]) -> list[Items]:
    """Return columns by the arguments of an integer."""
    return [c(sa.Integer, **each) for each in options]


# Definitions by kind: all differ from each other, and one can become another.
EVERYWHERE: dict[str, list[Items]] = {
    "integers": [c(sa.Integer), c(sa.BigInteger), c(sa.SmallInteger)],
    "strings": [c(sa.String(n)) for n in (1, 10, 255, 256)] + [c(sa.Text)],
    "numbers": [c(sa.Numeric(p, s)) for p, s in ((10, 2), (12, 4), (5, 0))],
    "dates": [c(sa.Date)],
    "times": [c(sa.Time)],
    "datetimes": [c(sa.DateTime)],
    "booleans": [c(sa.Boolean)],
    "bytes": [c(sa.LargeBinary)],
    "json": [c(sa.JSON)],
    "nullable": k({}, {"nullable": False}),
    "defaults of integers": k(
        *({"default": d} for d in ("0", "1", "-1", text("2"), text("(3 + 4)"), sa.literal(5)))
    ),
    "defaults of strings": [
        c(sa.String(40), default=d)
        for d in (
            "",
            "a",
            "A",
            "it's",
            "100%",
            "a:b",
            "now()",
            "NULL",
            text("'b'"),
            sa.literal("c"),
            sa.literal("d"),
        )
    ],
    "defaults by a function": [
        c(sa.String(40), default=d)
        for d in (func.lower("a"), func.lower("b"), func.upper("a"), func.lower("c") + "d")
    ],
    "defaults by a cast": [
        c(sa.Integer, default=d) for d in (sa.cast("1", sa.Integer), sa.cast("2", sa.Integer))
    ],
    "defaults of booleans": [c(sa.Boolean, default=d) for d in (sa.true(), sa.false())],
    "defaults of numbers": [
        c(sa.Numeric(10, 2), default=d) for d in ("1.5", "1.25", text("2.50"), "0")
    ],
    "defaults of floats": [c(sa.Float, default=d) for d in ("1.5", "1.25")],
    "defaults of times": [
        c(sa.DateTime, default=d)
        for d in (func.now(), "2026-01-01 00:00:00", "2026-01-02 00:00:00")
    ],
    "defaults of dates": [c(sa.Date, default=d) for d in ("2026-01-01", "2026-01-02")],
    "literals": [c(sa.Date, default=sa.literal(date(2026, 1, day), sa.Date)) for day in (1, 2)],
    "checks": each(
        lambda s: [Column("c", sa.Integer), CheckConstraint(s, name="k")],
        "c > 0",
        "c > 1",
        "c BETWEEN 1 AND 9",
        "c IN (1, 2)",
        "c IN (1, 3)",
        "c % 2 = 0",
        "c IS NOT NULL",
        "c > 0 AND c < 10 OR c = 100",
    ),
    "checks of strings": each(
        lambda s: [Column("c", sa.String(20)), CheckConstraint(s, name="k")],
        "c LIKE 'a%'",
        "c LIKE '%b%'",
        "c <> 'it''s'",
        "c <> 'a:b'",
        "length(c) > 3",
        "c IN ('a', 'b')",
    ),
    "checks on the column": each(
        lambda s: c(sa.Integer, CheckConstraint(s, name="k"))(), "c > 0", "c > 1"
    ),
    "checks by an expression": each(
        lambda n: [Column("c", sa.Integer), CheckConstraint(sa.column("c") > n, name="k")], 0, 1
    ),
    "checks by a function": each(
        lambda n: [
            Column("c", sa.String(20)),
            CheckConstraint(func.length(sa.column("c")) > n, name="k"),
        ],
        0,
        1,
    ),
    "checks by LIKE": each(
        lambda n: [
            Column("c", sa.String(20)),
            CheckConstraint(sa.column("c").like(n), name="k"),
        ],
        "a%",
        "%b",
    ),
    "checks with a long name": each(
        lambda s: [Column("c", sa.Integer), CheckConstraint(s, name="k" * 80)], "c > 0", "c > 1"
    ),
    "columns with a key": each(
        lambda s: [Column("c", sa.Integer, key="d"), CheckConstraint(s, name="k")], "c > 0", "c > 1"
    ),
    "enums with a check": [
        c(sa.Enum(*v, native_enum=False, create_constraint=True, name="kind", length=20))
        for v in (("a", "b"), ("a", "c"), ("a", "it's"), ("a", "100%"))
    ],
    "booleans with a check": [c(sa.Boolean(create_constraint=True, name="flag"))],
    "enums without": [c(sa.Enum("a", "b", native_enum=False, length=n)) for n in (5, 9)],
    "unique": [
        lambda: [Column("c", sa.Integer)],
        lambda: [Column("c", sa.Integer, unique=True)],
        lambda: [Column("c", sa.Integer, index=True)],
        lambda: [Column("c", sa.Integer, index=True, unique=True)],
        lambda: [Column("c", sa.Integer), UniqueConstraint("c", "id", name="u_many")],
    ],
    "unique primary key": [lambda: [UniqueConstraint("id", name="u_key")]],
    "indexes": each(
        lambda columns: [Column("c", sa.String(20)), Index("ix_m", *columns)],
        ["c"],
        ["c", "id"],
        ["id", "c"],
    ),
    "computed": [lambda: [Column("d", sa.Integer), *c(sa.Integer, sa.Computed("d + 1"))()]],
    "identities": [c(sa.Integer, sa.Identity(), nullable=False)],  # not known to all databases
    "variants": [c(sa.JSON().with_variant(postgresql.JSONB(), "postgresql"))],
    "variants with arrays": [c(sa.Text().with_variant(postgresql.ARRAY(sa.Integer), "postgresql"))],
}


def indexes(dialect: str, *options: dict[str, Any]) -> list[Items]:
    """Return indexes on one column and under one name, by what is special about them."""

    def items(options: dict[str, Any]) -> list[Any]:
        named = {f"{dialect}_{key}" if key != "unique" else key: options[key] for key in options}
        by = named.pop(f"{dialect}_by", "c")
        return [Column("c", sa.String(20)), Column("d", sa.Integer), Index("ix_one", by, **named)]

    return each(items, {}, *options)


POSTGRESQL: dict[str, list[Items]] = {
    "intervals": [
        c(t)
        for t in (
            sa.Interval(second_precision=3),
            sa.Interval(second_precision=6),
            sa.Interval,
            postgresql.INTERVAL(fields="DAY TO SECOND"),
        )
    ],
    "defaults of intervals": [
        c(sa.Interval, default=d)
        for d in (sa.literal(timedelta(days=1)), sa.literal(timedelta(days=2)), "1 day 02:00:00")
    ],
    "timestamps": [
        c(t)
        for t in (
            postgresql.TIMESTAMP(precision=3),
            postgresql.TIMESTAMP(precision=6),
            postgresql.TIMESTAMP(timezone=True),
            postgresql.TIMESTAMP(timezone=True, precision=0),
        )
    ],
    "uuids": [
        c(sa.Uuid, default=d) for d in (None, func.gen_random_uuid(), text("gen_random_uuid()"))[:2]
    ],
    "arrays": [
        c(postgresql.ARRAY(sa.Integer)),
        c(postgresql.ARRAY(sa.Integer), default="{}"),
        c(postgresql.ARRAY(sa.Integer), default=text("'{1}'")),
    ],
    "jsonb": [
        c(postgresql.JSONB),
        c(postgresql.JSONB, default="{}"),
        c(postgresql.JSONB, default=text("'[]'::jsonb")),
    ],
    "texts": [c(sa.Text, default=d) for d in ("", "a", func.current_user(), text("'x'::text"))],
    "network": [c(postgresql.INET), c(postgresql.CIDR)],
    "mac": [c(postgresql.MACADDR)],
    "bits": [c(postgresql.BIT(3)), c(postgresql.BIT(4)), c(postgresql.BIT(5, varying=True))],
    "search": [c(postgresql.TSVECTOR)],
    "ranges": [c(postgresql.INT4RANGE), c(postgresql.INT4RANGE, default="[1,2)")],
    "money": [c(postgresql.MONEY)],
    "oid": [c(postgresql.OID)],
    "double": [c(sa.Double), c(sa.REAL)],
    "collations": [c(sa.String(20, collation=x)) for x in ("C", "POSIX")],
    "one index": indexes(
        "postgresql",
        *({"where": text(f"d > {n}")} for n in range(2)),
        {"where": text("d > 1"), "unique": True},
        {"include": ["d"]},
        {"using": "hash"},
        {"with": {"fillfactor": 50}},
        {"ops": {"c": "varchar_pattern_ops"}},
        {"unique": True, "nulls_not_distinct": True},
        *({"by": text(by)} for by in ("lower(c)", "c DESC", "c DESC NULLS LAST", 'c COLLATE "C"')),
        {"by": func.coalesce(sa.column("c"), "100%:x")},
    ),
    "timezones": [c(sa.DateTime(timezone=x)) for x in (True, False)],
    "indexes of PostgreSQL": each(
        lambda i: [Column("c", sa.String(20)), i()],
        lambda: Index("ix_p1", "c", postgresql_using="hash"),
        lambda: Index("ix_p2", "c", postgresql_where=text("c <> ''")),
        lambda: Index("ix_p3", func.lower(sa.column("c"))),
        lambda: Index("ix_p4", "id", postgresql_include=["c"]),
        lambda: Index("ix_p5", "c", postgresql_ops={"c": "varchar_pattern_ops"}),
        lambda: Index("ix_p6", text("c DESC")),
        lambda: Index("ix_p7", text('c COLLATE "C"')),
        lambda: Index("ix_p8", sa.collate(sa.column("c"), "C")),
        lambda: Index("ix_p9", text("c DESC NULLS LAST"), unique=True),
    ),
}
MYSQL: dict[str, list[Items]] = {
    "integers of MySQL": [
        c(t)
        for t in (
            mysql.INTEGER(unsigned=True),
            mysql.TINYINT,
            mysql.TINYINT(unsigned=True),
            mysql.MEDIUMINT,
            mysql.BIGINT(unsigned=True),
        )
    ],
    "datetimes of MySQL": [c(mysql.DATETIME(fsp=n)) for n in (0, 3, 6)],
    "timestamps": [
        c(mysql.TIMESTAMP),
        c(mysql.TIMESTAMP, default=text("CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP")),
        c(mysql.TIMESTAMP, default=func.now()),
    ],
    "enums": [
        c(mysql.ENUM("a", "b")),
        c(mysql.ENUM("a", "c")),
        c(mysql.ENUM("a", "c"), default="a"),
        c(sa.Enum("x", "y", name="xy")),
    ],
    "sets": [c(mysql.SET("a", "b")), c(mysql.SET("a", "c"))],
    "strings of MySQL": [
        c(t)
        for t in (
            mysql.VARCHAR(20, charset="latin1"),
            mysql.VARCHAR(20, charset="utf8mb4", collation="utf8mb4_bin"),
            mysql.VARCHAR(20, collation="utf8mb4_unicode_ci"),
            mysql.CHAR(20),
        )
    ],
    "texts": [c(t) for t in (mysql.TINYTEXT, mysql.MEDIUMTEXT, mysql.LONGTEXT)],
    "blobs": [c(t) for t in (mysql.TINYBLOB, mysql.MEDIUMBLOB, mysql.LONGBLOB)],
    "binaries": [c(t) for t in (sa.BINARY(16), sa.VARBINARY(16), sa.VARBINARY(20))],
    "years": [c(mysql.YEAR)],
    "bits": [c(mysql.BIT(1)), c(mysql.BIT(8))],
    "defaults of bits": [c(mysql.BIT(8), default=text(d)) for d in ("b'0'", "b'11'", "5")],
    "defaults by an expression": [
        c(sa.DateTime, default=text(f"(now() + interval {n} day)")) for n in (1, 2)
    ],
    "doubles": [c(t) for t in (mysql.DOUBLE, mysql.FLOAT, mysql.DECIMAL(8, 3))],
    "uuids": [c(sa.Uuid)],
    "intervals": [c(sa.Interval(second_precision=6))],
    "indexes of MySQL": each(
        lambda i: [Column("c", sa.String(20)), Column("t", sa.Text), i()],
        lambda: Index("ix_q1", "t", mysql_length=10),
        lambda: Index("ix_q2", "c", "t", mysql_length={"t": 12}),
        lambda: Index("ix_q3", "t", mysql_prefix="FULLTEXT"),
        lambda: Index("ix_q4", text("c DESC")),
    ),
}
SQLITE: dict[str, list[Items]] = {
    "intervals": [c(sa.Interval)],
    "uuids": [c(sa.Uuid)],
    "doubles": [c(sa.Double), c(sa.REAL), c(sa.Float)],
    "collations": [c(sa.String(20, collation=x)) for x in ("NOCASE", "RTRIM")],
    "one index": indexes(
        "sqlite",
        *({"where": text(f"d > {n}")} for n in range(2)),
        {"where": text("d > 1"), "unique": True},
        *({"by": text(by)} for by in ("lower(c)", "upper(c)", "c DESC", "c COLLATE NOCASE")),
        {"by": func.coalesce(sa.column("c"), "100%:x")},
    ),
    "indexes of SQLite": each(
        lambda i: [Column("c", sa.String(20)), i()],
        lambda: Index("ix_s1", "c", sqlite_where=text("c <> ''")),
        lambda: Index("ix_s2", func.lower(sa.column("c"))),
        lambda: Index("ix_s3", text("c DESC")),
        lambda: Index("ix_s4", text("c COLLATE NOCASE")),
    ),
    "times of SQLite": [c(sa.DateTime, default=d) for d in (text("(datetime('now'))"),)],
}

# Changes that are not seen, nor by plain Alembic.
UNSEEN = {
    ("postgresql", "checks with a long name"),  # the database cuts it off
    ("mysql", "checks with a long name"),
}


def tables(dialect: str) -> dict[str, list[Items]]:
    """Return what a kind of database can have."""
    more = {"postgresql": POSTGRESQL, "mysql": MYSQL, "sqlite": SQLITE}[dialect]
    return {**EVERYWHERE, **more}


def define(metadata: sa.MetaData, kinds: dict[str, list[Items]], later: int) -> dict[str, str]:
    """Put a table for each definition into a metadata; return what it is by the table's name.

    :param later: how many definitions of the same kind to go on
    """
    metadata.clear()
    names = {}
    for number, (kind, definitions) in enumerate(kinds.items()):
        if later and len(definitions) == 1:
            continue
        for index in range(len(definitions)):
            name = f"t{number}_{index}"
            items = definitions[(index + later) % len(definitions)]()
            for item in items:
                if isinstance(item, Index | UniqueConstraint):
                    item.name = f"{item.name}_{name}"
            sa.Table(name, metadata, Column("id", sa.Integer, primary_key=True), *items)
            names[name] = f"{kind} {index}"
    return names


def different(project: Project, package: str) -> dict[str, list[str]]:
    """Return what differs by table."""
    found: dict[str, list[str]] = {}
    differences = importlib.import_module(f"{package}.migrations").differences()
    for difference in differences.get("default", []):
        for each in difference if isinstance(difference, list) else [difference]:
            item = each[1]
            names = {
                t
                for t in project.metadata.tables
                if t in map(str, each) or getattr(getattr(item, "table", item), "name", "") == t
            }
            for name in names or {"?"}:
                found.setdefault(name, []).append(str(each))
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("package")
    parser.add_argument("kinds", nargs="*", help="parts of their names")
    options = parser.parse_args()
    logging.disable(logging.INFO)
    warnings.simplefilter("ignore", SAWarning)
    project = Project(options.package)
    dialect = project.engine.dialect.name
    kinds = tables(dialect)
    if options.kinds:
        kinds = {k: v for k, v in kinds.items() if any(part in k for part in options.kinds)}
    config = project.config(cmd_opts=Namespace(x=None, quiet=True), stdout=io.StringIO())
    wrong = []
    project.forget()
    for later in range(2):
        names = define(project.metadata, kinds, later)
        if later:
            found = different(project, options.package)
            for name, what in names.items():
                if name not in found and (dialect, what.rpartition(" ")[0]) not in UNSEEN:
                    wrong.append(f"unnoticed: {what}")
        command.revision(config, "matrix", autogenerate=True)
        command.upgrade(config, "head")
        found = different(project, options.package)
        wrong += [f"{later}: different: {names.get(n, n)}: {what}" for n, what in found.items()]
        print(len(names), "definitions" if not later else "changes")
    command.downgrade(config, "base")
    command.upgrade(config, "head")
    found = different(project, options.package)
    wrong += [f"after down and up: {names.get(name, name)}: {what}" for name, what in found.items()]
    raise SystemExit("\n".join(wrong) or None)  # "" would be a failure


if __name__ == "__main__":
    main()
