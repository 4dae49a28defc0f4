"""Evolves the schema of a rendered project at random; run in it by test_evolution.py.

One process for all histories: Alembic's commands are called in Python, but the project's ``env.py``,
its app factory and the database are the real ones. A history is a list of steps, a step one or more
changes of the models, or a rename that autogenerate is told of. What is in the tables is known, and
compared after each step.

Not made, since Alembic does not see it, or no database can do it without knowing the data:

- changed primary keys, except for their type;
- a table or a column dropped and added again under its name in one step: that is a changed one;
- a type changed to one of another kind (integer to text), which PostgreSQL wants told how;
- a default changed where rows have got it by ``now()``, or in the step that adds it: what the rows
  have would not be known;
- MySQL: TEXT with an index (it wants its length), or with a default (it has none).

Half of the histories have a naming convention, in the others constraints have no names.
"""

import argparse
import importlib
import itertools
import logging
import os
import sys
import warnings
from argparse import Namespace
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from hypothesis import HealthCheck, Phase, given, note, seed, settings
from hypothesis import strategies as st
from kit import commit, run
from sqlalchemy.exc import SAWarning

TABLES = ("things", "order", "Mixed", "user_group", "select", "things_2")
COLUMNS = ("amount", "group", "camelCase", "a space", "name", "key", "from")
ROWS = (1, 2, 3)  # the primary keys of the rows in every table

# By kind: the types that a column can be changed to and fro, the defaults, and a row's value.
KINDS: dict[str, tuple[list[Any], list[Any], Callable[[int], Any]]] = {
    "integer": (
        [sa.Integer(), sa.BigInteger(), sa.SmallInteger()],
        ["0", "7"],
        lambda row: row * 3,
    ),
    "string": ([sa.String(20), sa.String(50)], ["", "it's 100%: a"], lambda row: f"'%s:x' {row}"),
    "text": ([sa.Text(), sa.String(500)], ["", "a"], lambda row: f"text {row}"),
    "number": (
        [sa.Numeric(10, 2), sa.Numeric(12, 4)],
        ["1.5"],
        lambda row: Decimal(row) + Decimal("0.25"),
    ),
    "boolean": ([sa.Boolean()], [sa.true(), sa.false()], lambda row: row % 2 == 0),
    "time": ([sa.DateTime()], [sa.func.now()], lambda row: datetime(2026, 1, row, 12, 30)),
    "enum": (
        [("a", "b", "c"), ("a", "b", "c", "d"), ("z", "c", "x", "b", "a")],
        ["a", "c"],
        lambda row: "abc"[row % 3],
    ),
}
CHECKED = ("integer", "string", "text", "number")
# What rows get in a column that becomes NOT NULL: as it is answered, and as it is read.
FILLS = {
    "integer": "3",
    "string": "it's :x 100%",
    "text": "(1 + 1)",
    "number": "2.5",
    "boolean": "true",
    "time": "2026-01-05 12:30:00",
    "enum": "b",
}
FILLED = {
    "integer": 3,
    "string": "it's :x 100%",
    "text": "2",
    "number": Decimal("2.5"),
    "boolean": True,
    "time": datetime(2026, 1, 5, 12, 30),
    "enum": "b",
}
DEFAULTS = {"0": 0, "7": 7, "1.5": Decimal("1.5")}


@dataclass
class Column:
    kind: str
    type: int = 0  # in its KINDS
    nullable: bool = True
    default: int | None = None  # in its KINDS
    index: bool = False
    unique: bool = False
    check: int = 0  # none, or one of two conditions
    parent: str | None = None  # the table that it refers to
    target: str = "id"  # the column of it, which is unique
    is_pair: bool = False  # whether the key refers to both, and is one of two columns
    cascades: bool = False  # ON DELETE CASCADE
    comment: str | None = None
    number: int = field(default_factory=itertools.count().__next__)  # in the name of its Enum


@dataclass
class Schema:
    """The models, and the rows of each table by primary key."""

    tables: dict[str, dict[str, Column]] = field(default_factory=dict)
    rows: dict[str, dict[int, dict[str, Any]]] = field(default_factory=dict)
    convention: Any = None  # for the names of constraints
    big: set[str] = field(default_factory=set)  # tables whose primary key is a BigInteger

    def define(self, metadata: sa.MetaData) -> None:
        """Put the tables into a metadata."""
        metadata.clear()
        metadata.naming_convention = self.convention
        for name, columns in self.tables.items():
            sa.Table(
                name,
                metadata,
                sa.Column("id", self.key(name), primary_key=True),
                *(column_of(n, column, self) for n, column in columns.items()),
                *(
                    sa.ForeignKeyConstraint(
                        ["id", n],
                        [f"{column.parent}.id", f"{column.parent}.{column.target}"],
                        ondelete="CASCADE" if column.cascades else None,
                    )
                    for n, column in columns.items()
                    if column.is_pair
                ),
                *(
                    sa.UniqueConstraint("id", target)
                    for target in sorted({c.target for c in self.references(name) if c.is_pair})
                ),
                *(
                    sa.CheckConstraint(condition(n, column), name=n)
                    for n, column in columns.items()
                    if column.check
                ),
            )

    def key(self, table: str | None) -> Any:
        """Return the type of a primary key."""
        return sa.BigInteger() if table in self.big else sa.Integer()

    def references(self, table: str, target: str | None = None) -> list[Column]:
        """Return the columns that refer to a table, or to a column of it."""
        found = [c for columns in self.tables.values() for c in columns.values()]
        return [c for c in found if c.parent == table and target in (None, c.target)]


def column_of(name: str, column: Column, schema: Schema) -> sa.Column[Any]:
    types, defaults, _ = KINDS[column.kind]
    type_: Any = types[column.type]
    if column.parent and column.target == "id":
        type_ = schema.key(column.parent)
    return sa.Column(
        name,
        sa.Enum(*type_, name=f"kind_{column.number}") if column.kind == "enum" else type_,
        *(
            [
                sa.ForeignKey(
                    f"{column.parent}.{column.target}",
                    ondelete="CASCADE" if column.cascades else None,
                )
            ]
            if column.parent and not column.is_pair
            else []
        ),
        nullable=column.nullable,
        server_default=None if column.default is None else defaults[column.default],
        index=column.index,
        unique=column.unique,
        comment=column.comment,
    )


def condition(name: str, column: Column) -> sa.ColumnElement[bool]:
    """Return what is checked; every value there is passes."""
    found: sa.ColumnElement[Any] = sa.column(name)
    return (
        sa.func.length(found) < 100 * column.check
        if column.kind in ("string", "text")
        else found >= 1 - column.check
    )


def default_of(column: Column) -> Any:
    """Return what a row gets when a column is added; ... for anything."""
    if column.default is None:
        return None
    default = KINDS[column.kind][1][column.default]
    if column.kind == "time":
        return ...
    if column.kind == "boolean":
        return column.default == 0
    return DEFAULTS.get(default, default)


class History:
    """One history: a schema, its database, and the revisions that lead there."""

    def __init__(self, data: st.DataObject, project: "Project") -> None:
        self.data, self.project = data, project
        self.is_mysql = project.engine.dialect.name == "mysql"
        # `squash` runs in a process of its own, with the convention of the project.
        is_named = project.is_squashed or data.draw(st.booleans(), "naming convention")
        self.schema = Schema(
            convention=project.convention if is_named else sa.MetaData().naming_convention
        )
        self.number = 0
        # Tables, and columns with their tables: not to be used now.
        self.dropped: set[Any] = set()  # names that this step has dropped
        self.filled: dict[
            tuple[str, str], str
        ] = {}  # columns that become NOT NULL, with their kind

    def one_of(self, label: str, choices: Any) -> Any:
        return self.data.draw(st.sampled_from(list(choices)), label)

    def live(self) -> None:
        """Go through the history, then down to nothing and up again."""
        self.project.forget()
        self.add_table()
        self.autogenerate()
        for _ in range(self.data.draw(st.integers(1, 5), "steps")):
            if self.data.draw(st.sampled_from([False, False, False, True]), "rename"):
                self.rename()
                continue
            before = deepcopy((self.schema.tables, self.schema.big))
            for _ in range(self.data.draw(st.integers(1, 3), "changes")):
                changes = CHANGES if len(self.schema.tables) > 1 else CHANGES[:-1]
                self.one_of("change", changes)(self)
            if (self.schema.tables, self.schema.big) != before:
                self.autogenerate()
            self.dropped.clear()
            self.filled.clear()
        with self.project.engine.begin() as connection:  # not every downgrade is possible with rows
            for table in self.schema.tables:
                for name, column in self.schema.tables[table].items():
                    if column.parent and column.nullable:
                        connection.execute(self.table(table).update().values({name: None}))
            for table in self.schema.tables:
                connection.execute(self.table(table).delete())
        made = self.project.reflect()
        command.downgrade(self.project.config(), "base")
        assert {*self.project.reflect()} <= {"alembic_version", "alembic_log"}
        command.upgrade(self.project.config(), "head")
        assert self.project.reflect() == made
        if self.project.is_squashed and self.number > 1:
            self.project.squash()
            command.downgrade(self.project.config(), "base")
            command.upgrade(self.project.config(), "head")
            assert self.project.reflect() == made

    def table(self, name: str) -> sa.Table:
        """Return a table as the models have it."""
        self.schema.define(self.project.metadata)
        return self.project.metadata.tables[name]

    def autogenerate(self, *answers: str) -> None:
        """Let Alembic write the revision, run it, and compare.

        :param answers: what autogenerate would ask
        """
        self.number += 1
        self.schema.define(self.project.metadata)
        fills = [f"fill={t}.{c}:{FILLS[kind]}" for (t, c), kind in self.filled.items()]
        options = Namespace(x=["drop=most", *fills, *answers])
        config = self.project.config(cmd_opts=options)
        command.revision(config, f"step {self.number}", autogenerate=True)
        note(self.project.newest.read_text(encoding="utf-8").partition("def upgrade")[2])
        command.upgrade(self.project.config(), "head")
        command.check(self.project.config())
        self.compare()
        self.fill()

    def compare(self) -> None:
        """Compare the rows with what they have to be."""
        with self.project.engine.connect() as connection:
            for name, rows in self.schema.rows.items():
                table = self.table(name)
                found = {
                    row["id"]: {key: value for key, value in row.items() if key != "id"}
                    for row in connection.execute(sa.select(table)).mappings()
                }
                for key, row in rows.items():
                    for column, value in row.items():
                        if value is ... and key in found:
                            row[column] = found[key][column]
                assert found == rows, f"{name}: {found} != {rows}"

    def fill(self) -> None:
        """Write rows into the tables that have none, with every third value NULL where it may be.

        Then let each refer to the row of its own number.
        """
        with self.project.engine.begin() as connection:
            for name, columns in self.schema.tables.items():
                if name in self.schema.rows:
                    continue
                rows = {
                    row: {column: self.value(options, row) for column, options in columns.items()}
                    for row in ROWS
                }
                table = self.table(name)
                connection.execute(
                    table.insert(), [{"id": row, **values} for row, values in rows.items()]
                )
                self.schema.rows[name] = rows
            for name, columns in self.schema.tables.items():
                for column, options in columns.items():
                    rows = self.schema.rows[name]
                    if options.parent and {*self.values(name, column)} == {None}:
                        table = self.table(name)
                        for key, row in rows.items():
                            parent = self.schema.rows[str(options.parent)][key]
                            row[column] = parent.get(options.target, key)
                            change = table.update().where(table.c.id == key)
                            connection.execute(change.values({column: row[column]}))
        self.compare()

    def value(self, column: Column, row: int) -> Any:
        if column.nullable and (row == 3 or column.parent):
            return None
        return row if column.parent else KINDS[column.kind][2](row)

    # Changes of the models.

    def add_table(self) -> None:
        unused = self.unused_tables()
        if not unused:
            return
        name = self.one_of("new table", unused)
        self.schema.tables[name] = {}
        for _ in range(self.data.draw(st.integers(1, 3), "columns")):
            self.add_column(name)

    def unused_tables(self) -> list[str]:
        return [name for name in TABLES if name not in self.schema.tables.keys() | self.dropped]

    def unused_columns(self, table: str) -> list[str]:
        used = {(table, name) for name in self.schema.tables[table]} | self.dropped
        return [name for name in COLUMNS if (table, name) not in used]

    def pick(self) -> tuple[str, str] | None:
        """Choose a column."""
        found = [(t, c) for t, columns in self.schema.tables.items() for c in columns]
        return self.one_of("column", found) if found else None

    def add_column(self, table: str | None = None) -> None:
        table = table or self.one_of("to table", self.schema.tables)
        unused = self.unused_columns(table)
        if not unused:
            return
        name = self.one_of("new column", unused)
        kind = self.one_of("kind", KINDS)
        types, defaults, _ = KINDS[kind]
        column = Column(
            kind,
            self.data.draw(st.integers(0, len(types) - 1), "type"),
            default=self.one_of("default", [None, *range(len(defaults))]),
            comment=self.one_of("comment", [None, None, "it's 100%: a"]),
        )
        if kind == "text" and self.is_mysql:
            column.default = None
        column.nullable = self.data.draw(st.booleans(), "nullable")
        is_filled = not column.nullable and column.default is None
        if is_filled and table in self.schema.rows:
            self.filled[table, name] = kind
        if kind != "boolean" and not self.is_long(column):
            column.index = self.data.draw(st.booleans(), "index")
        if kind in CHECKED:
            column.check = self.data.draw(st.integers(0, 2), "check")
        self.schema.tables[table][name] = column
        for row in self.schema.rows.get(table, {}).values():
            row[name] = FILLED[kind] if is_filled else default_of(column)

    def add_reference(self) -> None:
        table = self.one_of("child", self.schema.tables)
        unused = self.unused_columns(table)
        if not unused:
            return
        name = self.one_of("new column", unused)
        parent = self.one_of("parent", self.schema.tables)
        index = self.data.draw(st.booleans(), "index")
        cascades = self.data.draw(st.booleans(), "cascades")
        column = Column("integer", parent=parent, index=index, cascades=cascades)
        target = self.one_of("target", ["id", *self.unique_columns(parent)])
        if target != "id":
            column.target, column.type = target, self.schema.tables[parent][target].type
            is_pair = {parent, table}.isdisjoint(self.schema.big)
            column.is_pair = is_pair and self.data.draw(st.booleans(), "pair")
        self.schema.tables[table][name] = column
        for row in self.schema.rows.get(table, {}).values():
            row[name] = None

    def unique_columns(self, table: str) -> list[str]:
        """Return the columns that a key can refer to: their values differ, and are there."""
        return [
            name
            for name, column in self.schema.tables[table].items()
            if column.unique
            and column.kind == "integer"
            and not column.parent
            and self.project.has_column(table, name)
            and None not in self.values(table, name)
        ]

    def change_key(self) -> None:
        """Give a primary key another type, and the columns that refer to it."""
        table = self.one_of("key", self.schema.tables)
        columns = [*self.schema.tables[table].values(), *self.schema.references(table)]
        if not any(column.is_pair for column in columns):
            self.schema.big ^= {table}

    def toggle_reference(self) -> None:
        """Drop a foreign key and keep its column, or add one where every value fits."""
        if chosen := self.pick():
            column = self.schema.tables[chosen[0]][chosen[1]]
            values = self.values(*chosen)
            fits = all(value in (None, *ROWS) for value in values)
            if column.parent:
                if column.target != "id" or column.parent not in self.schema.big:
                    column.parent, column.target, column.is_pair = None, "id", False
            elif column.kind == "integer" and column.type == 0 and fits:
                parent = self.one_of("parent", self.schema.tables)
                if parent in self.schema.big or self.schema.references(*chosen):
                    return
                if parent in self.schema.rows or (column.nullable and {*values} <= {None}):
                    column.parent = parent
                    column.cascades = (
                        self.data.draw(st.booleans(), "cascades") or not column.nullable
                    )

    def drop_column(self) -> None:
        if chosen := self.pick():
            table, name = chosen
            if self.schema.references(table, name):
                return
            del self.schema.tables[table][name]
            self.dropped.add((table, name))
            self.filled.pop((table, name), None)
            for row in self.schema.rows.get(table, {}).values():
                del row[name]

    def change_type(self) -> None:
        if chosen := self.pick():
            column = self.schema.tables[chosen[0]][chosen[1]]
            if not (column.parent or self.schema.references(*chosen)) and not (
                column.kind == "text" and (column.index or column.unique)
            ):
                column.type = self.one_of("type", range(len(KINDS[column.kind][0])))

    def change_nullable(self) -> None:
        if chosen := self.pick():
            table, name = chosen
            column = self.schema.tables[table][name]
            if column.parent and not (column.cascades and table in self.schema.rows):
                return
            values = self.values(*chosen)
            if chosen in self.filled:
                return
            if column.nullable and None in values:
                if column.parent or column.unique or not self.project.has_column(table, name):
                    return
                self.filled[chosen] = column.kind
                for row in self.schema.rows[table].values():
                    row[name] = FILLED[column.kind] if row[name] is None else row[name]
            column.nullable = not column.nullable

    def change_default(self) -> None:
        if chosen := self.pick():
            column = self.schema.tables[chosen[0]][chosen[1]]
            if chosen[0] in self.schema.rows and not self.project.has_column(*chosen):
                return  # the rows have got the default already
            if not column.parent and ... not in self.values(*chosen) and not self.is_long(column):
                defaults = KINDS[column.kind][1]
                column.default = self.one_of("default", [None, *range(len(defaults))])

    def values(self, table: str, name: str) -> list[Any]:
        return [row[name] for row in self.schema.rows.get(table, {}).values()]

    def toggle_index(self) -> None:
        if chosen := self.pick():
            column = self.schema.tables[chosen[0]][chosen[1]]
            if not self.is_long(column):
                column.index = not column.index

    def toggle_unique(self) -> None:
        if chosen := self.pick():
            column = self.schema.tables[chosen[0]][chosen[1]]
            values = [value for value in self.values(*chosen) if value is not None]
            if column.unique:
                column.unique = bool(self.schema.references(*chosen))
            elif column.kind != "boolean" and not self.is_long(column) and ... not in values:
                column.unique = len({*values}) == len(values)

    def change_check(self) -> None:
        if chosen := self.pick():
            column = self.schema.tables[chosen[0]][chosen[1]]
            if column.kind in CHECKED:
                column.check = self.data.draw(st.integers(0, 2), "check")

    def drop_table(self) -> None:
        """With the columns of others that refer to it."""
        name = self.one_of("dropped table", self.schema.tables)
        del self.schema.tables[name]
        self.schema.big.discard(name)
        self.dropped.add(name)
        self.filled = {key: kind for key, kind in self.filled.items() if key[0] != name}
        self.schema.rows.pop(name, None)
        for table, columns in self.schema.tables.items():
            for column in [key for key, options in columns.items() if options.parent == name]:
                del columns[column]
                self.dropped.add((table, column))
                for row in self.schema.rows.get(table, {}).values():
                    del row[column]

    def rename(self) -> None:
        """Rename a column or a table, together with other changes."""
        if self.data.draw(st.booleans(), "rename a table"):
            old = self.one_of("table", self.schema.tables)
            if not (unused := self.unused_tables()):
                return
            new = self.one_of("name", unused)
            self.schema.tables = {
                new if name == old else name: columns
                for name, columns in self.schema.tables.items()
            }
            self.schema.rows[new] = self.schema.rows.pop(old)
            if old in self.schema.big:
                self.schema.big ^= {old, new}
            for columns in self.schema.tables.values():
                for column in columns.values():
                    column.parent = new if column.parent == old else column.parent
            self.autogenerate(f"rename={old}:{new}")
        elif chosen := self.pick():
            table, old = chosen
            columns = self.schema.tables[table]
            references = self.schema.references(table, old)
            if not (unused := self.unused_columns(table)):
                return
            new = self.one_of("name", unused)
            self.schema.tables[table] = {
                new if name == old else name: options for name, options in columns.items()
            }
            for column in references:
                column.target = new
            for row in self.schema.rows.get(table, {}).values():
                row[new] = row.pop(old)
            self.autogenerate(f"rename={table}.{old}:{new}")

    def is_long(self, column: Column) -> bool:
        """Say whether a column can have neither an index nor a default."""
        return self.is_mysql and column.kind == "text"

    def change_comment(self) -> None:
        if chosen := self.pick():
            column = self.schema.tables[chosen[0]][chosen[1]]
            column.comment = self.one_of("comment", [None, "other", "it's 100%: a"])


CHANGES = [
    History.add_table,
    History.add_column,
    History.add_reference,
    History.toggle_reference,
    History.drop_column,
    History.change_type,
    History.change_nullable,
    History.change_default,
    History.toggle_index,
    History.toggle_unique,
    History.change_key,
    History.change_check,
    History.change_comment,
    History.drop_table,
]


class Project:
    """The project that this process runs in."""

    def __init__(self, package: str, is_squashed: bool = False) -> None:
        self.is_squashed = is_squashed
        Path("pyproject.toml").unlink(missing_ok=True)  # which Alembic reads for each command
        self.app = importlib.import_module(package).create_app()
        self.db = importlib.import_module(f"{package}.db").db
        migrations = importlib.import_module(f"{package}.migrations")
        self.config, self.differences = migrations.alembic_config, migrations.differences
        self.versions = Path(package, "migrations", "versions")
        self.app.app_context().push()
        self.engine: sa.Engine = self.db.engine
        self.metadata: sa.MetaData = self.db.metadata
        self.convention = self.metadata.naming_convention
        if self.engine.dialect.name == "sqlite":
            sa.event.listen(
                self.engine,
                "connect",
                lambda connection, _: connection.executescript(
                    "PRAGMA foreign_keys=ON; PRAGMA synchronous=OFF"
                ),
            )

    def forget(self) -> None:
        """Remove the revisions and all that is in the database."""
        for revision in self.versions.glob("*.py"):
            revision.unlink()
        url = self.engine.url
        if url.get_backend_name() == "sqlite":
            self.engine.dispose()
            Path(str(url.database)).unlink(missing_ok=True)
            return
        drop = {
            "postgresql": ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public"),
            "mysql": (f"DROP DATABASE {url.database}", f"CREATE DATABASE {url.database}"),
        }[url.get_backend_name()]
        with self.engine.begin() as connection:
            for statement in drop:
                connection.exec_driver_sql(statement)
        self.engine.dispose()

    def squash(self) -> None:
        """Replace the revisions by one."""
        commit(Path.cwd())
        run(
            sys.executable,
            "-m",
            "flask_alembic_kit",
            "squash",
            "--yes",
            cwd=Path.cwd(),
            env={**os.environ},
        )
        assert len([*self.versions.glob("*.py")]) == 1

    @property
    def newest(self) -> Path:
        """The revision that was written last."""
        return max(self.versions.glob("*.py"), key=os.path.getmtime)

    def has_column(self, table: str, column: str) -> bool:
        return column in {found["name"] for found in sa.inspect(self.engine).get_columns(table)}

    def reflect(self) -> dict[str, Any]:
        """Return all that the inspector finds, by table."""
        inspector = sa.inspect(self.engine)
        return {
            name: {
                "columns": [
                    {**column, "type": str(column["type"])}
                    for column in inspector.get_columns(name)
                ],
                "primary key": inspector.get_pk_constraint(name),
                **{
                    kind: sorted(getattr(inspector, f"get_{kind}")(name), key=str)
                    for kind in (
                        "check_constraints",
                        "foreign_keys",
                        "indexes",
                        "unique_constraints",
                    )
                },
            }
            for name in inspector.get_table_names()
        }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("package")
    parser.add_argument("--histories", type=int)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--squash", action="store_true")
    options = parser.parse_args()
    logging.disable(logging.INFO)
    warnings.simplefilter("ignore", SAWarning)  # SQLite has no type for decimal numbers
    project = Project(options.package, options.squash)
    counted = itertools.count(1)

    @seed(options.seed)
    @settings(
        max_examples=options.histories,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def live(data: st.DataObject) -> None:
        next(counted)
        History(data, project).live()

    live()
    print(next(counted) - 1, "histories")


if __name__ == "__main__":
    main()
