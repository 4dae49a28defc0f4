"""Goes from one schema with rows to another by what autogenerate writes, up, down and up again.

Run in a rendered project by test_changes.py, one process for all cases of a kind of database:
Alembic's commands are called in Python, with the project's own ``env.py``, app and database.
"""

import argparse
import io
import json
import logging
import sys
import traceback
import warnings
from argparse import Namespace
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import partial
from typing import Any

import sqlalchemy as sa
import sqlalchemy.exc
from alembic import command
from alembic.ddl.impl import DefaultImpl
from alembic.operations import ops
from alembic.util import CommandError
from evolve import Project
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import SAWarning
from sqlalchemy.ext.compiler import compiles

Rows = dict[str, list[dict[str, Any]]]
Define = Callable[[MetaData], object]
CASES: dict[str, Callable[["Change"], None]] = {}


def case(function: Callable[["Change"], None]) -> Callable[["Change"], None]:
    CASES[function.__name__] = function
    return function


def table(name: str, metadata: MetaData, *items: Any, **options: Any) -> sa.Table:
    """Return a table with a primary key and more."""
    return sa.Table(name, metadata, Column("id", Integer, primary_key=True), *items, **options)


def is_refused(error: type[Exception], run: Callable[[], object]) -> bool:
    try:
        run()
    except error:
        return True
    return False


def warnings_of(run: Callable[[], object]) -> list[str]:
    """Run a function, and return what it warns of."""
    found: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = found.append  # type: ignore[assignment]
    logging.getLogger().addHandler(handler)
    try:
        run()
    finally:
        logging.getLogger().removeHandler(handler)
    return [each.getMessage() for each in found]


class Change:
    """What a case changes, in an empty database."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.dialect = project.engine.dialect.name
        self.revision = ""
        self.defined: Define = lambda _: None
        project.forget()

    def config(self, *x: str) -> Any:
        options = Namespace(x=[*x], quiet=True, raiseerr=True)
        return self.project.config(cmd_opts=options, stdout=io.StringIO())

    def define(self, define: Define) -> None:
        self.project.metadata.clear()
        define(self.project.metadata)
        self.defined = define

    def autogenerate(self, *x: str) -> str:
        """Write a revision from the models, and return its functions."""
        command.revision(self.config(*x), "case", autogenerate=True)
        self.revision = self.project.newest.read_text(encoding="utf-8").partition("\ndef ")[2]
        return self.revision

    def start(self, define: Define, rows: Rows | None = None) -> None:
        """Make the tables and their rows."""
        self.define(define)
        self.autogenerate()
        command.upgrade(self.config(), "head")
        with self.project.engine.begin() as connection:
            for name, found in (rows or {}).items():
                connection.execute(self.project.metadata.tables[name].insert(), found)

    def upgrade(self) -> None:
        command.upgrade(self.config(), "head")
        command.check(self.config())

    def go(self, define: Define, *x: str) -> None:
        """Change the models, and run what is written for that up, down and up."""
        before, was = self.defined, self.project.newest
        self.define(define)
        self.autogenerate(*x)
        self.upgrade()
        newest = self.project.newest
        if newest == was:
            return  # this database has nothing of that change
        command.downgrade(self.config(), "-1")
        self.define(before)
        text = newest.read_text(encoding="utf-8")
        newest.unlink()
        if hasattr(
            DefaultImpl, "compare_indexes"
        ):  # before 1.12, a unique index comes back as another
            command.check(self.config())
        newest.write_text(text, encoding="utf-8")
        self.define(define)
        command.upgrade(self.config(), "head")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.project.engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]


# The order of a revision.


def users(metadata: MetaData) -> None:
    table("users", metadata)


def circle(metadata: MetaData) -> None:
    """Tables that refer to each other, to themselves and to others."""
    users(metadata)
    keeper = ForeignKey("keepers.id", use_alter=True)
    table("aisles", metadata, Column("code", String(9), unique=True), Column("keeper_id", keeper))
    table(
        "keepers",
        metadata,
        Column("aisle_code", ForeignKey("aisles.code"), index=True),
        Column("boss_id", ForeignKey("keepers.id")),
        Column("author_id", ForeignKey("users.id")),
    )
    table(
        "boxes",
        metadata,
        Column("aisle_code", ForeignKey("aisles.code")),
        Column("shelf", String(9), unique=True, index=True),
    )


ROWS: Rows = {
    "users": [{"id": 1}],
    "aisles": [{"id": 1, "code": "a"}],
    "keepers": [{"id": 1, "boss_id": 1, "author_id": 1}],
    "boxes": [{"id": 1, "shelf": "a"}],
}


@case
def tables_in_a_circle_are_created_and_dropped(change: Change) -> None:
    change.start(users, {"users": [{"id": 1}]})
    change.go(circle)
    change.go(users, "drop=most")


@case
def table_is_dropped_with_the_keys_to_it(change: Change) -> None:
    def without_keepers(metadata: MetaData) -> None:
        users(metadata)
        code = Column("code", String(9), unique=True)
        table("aisles", metadata, code, Column("keeper_id", Integer))
        shelf = Column("shelf", String(9), unique=True, index=True)
        table("boxes", metadata, Column("aisle_code", ForeignKey("aisles.code")), shelf)

    change.start(circle, ROWS)
    change.go(without_keepers)


@case
def keys_refer_to_what_the_same_revision_makes(change: Change) -> None:
    def with_shelves(metadata: MetaData) -> None:
        users(metadata)
        keeper = ForeignKey("keepers.id", use_alter=True)
        table("aisles", metadata, Column("keeper_id", keeper))
        table(
            "keepers",
            metadata,
            Column("aisle_code", ForeignKey("boxes.label"), index=True),
            Column("boss_id", ForeignKey("keepers.id")),
            Column("author_id", ForeignKey("users.id")),
        )
        shelf = Column("shelf", String(9), unique=True, index=True)
        table("boxes", metadata, shelf, Column("label", String(9), unique=True))
        table("areas", metadata, Column("shelf", ForeignKey("boxes.label")))

    change.start(circle, ROWS)
    change.go(with_shelves)


@case
def column_with_a_check_of_its_type(change: Change) -> None:
    """It is added and removed."""
    kind = sa.Enum("a", "b", native_enum=False, create_constraint=True, name="kind")

    def with_kind(metadata: MetaData) -> None:
        flag: Column[Any] = Column("flag", sa.Boolean(create_constraint=True, name="flag"))
        table("users", metadata, Column("kind", kind), flag)

    change.start(users, {"users": [{"id": 1}]})
    change.go(with_kind)
    change.go(users)


@case
def check_for_another_database(change: Change) -> None:
    def things(metadata: MetaData, *columns: Column[Any]) -> None:
        check = sa.CheckConstraint("this is no SQL", name="elsewhere").ddl_if(dialect="oracle")
        users(metadata)
        table("things", metadata, check, *columns)

    change.start(users)
    change.go(things)
    change.go(lambda metadata: things(metadata, Column("size", Integer)))


@case
def column_with_a_check(change: Change) -> None:
    def with_check(metadata: MetaData) -> None:
        check = sa.CheckConstraint("age > 0", name="age")
        table("users", metadata, Column("age", Integer, check))

    def pets(metadata: MetaData) -> None:
        users(metadata)
        check = sa.CheckConstraint("age > 0", name="age")
        table("pets", metadata, Column("age", Integer, check))

    change.start(users, {"users": [{"id": 1}]})
    change.go(with_check)
    change.go(users)
    change.go(pets)
    assert "sa.CheckConstraint('age > 0'" in change.revision


# Renames.


def posts(metadata: MetaData, title: str = "title", name: str = "posts", **more: Any) -> None:
    """A table with all that is named after it or a column, and one that refers to it."""
    table("users", metadata)
    column = Column(title, String(200), server_default="it's 100%", index=True, **more)
    columns = (column, Column("slug", String(9), unique=True))
    check = sa.CheckConstraint(sa.column(title) != "", name=title)
    keys: list[Column[Any]] = [Column("author_id", ForeignKey("users.id"), index=True)]
    keys += [Column("parent_id", ForeignKey(f"{name}.id"))]
    unique = sa.UniqueConstraint(title, "slug")
    table(name, metadata, *columns, *keys, check, unique)
    table("comments", metadata, Column("post_id", ForeignKey(f"{name}.id"), nullable=False))


POSTS: Rows = {
    "users": [{"id": 1}],
    "posts": [{"id": 1, "title": "A", "slug": "a", "author_id": 1, "parent_id": 1}],
    "comments": [{"id": 1, "post_id": 1}],
}


@case
def column_is_renamed(change: Change) -> None:
    change.start(posts, POSTS)
    change.go(lambda metadata: posts(metadata, "headline"), "rename=posts.title:headline")
    assert change.rows("SELECT headline, slug FROM posts") == [("A", "a")]
    names = {index["name"] for index in sa.inspect(change.project.engine).get_indexes("posts")}
    assert "ix_posts_headline" in names and "ix_posts_title" not in names


@case
def column_is_renamed_and_changed(change: Change) -> None:
    change.start(posts, POSTS)

    def changed(metadata: MetaData) -> None:
        posts(metadata, "headline", nullable=False)
        metadata.tables["posts"].append_column(Column("body", sa.Text))
        metadata.tables["posts"].c.headline.server_default = None

    change.go(changed, "rename=posts.title:headline")
    assert change.rows("SELECT headline, slug, body FROM posts") == [("A", "a", None)]


@case
def column_of_a_check_is_renamed(change: Change) -> None:
    """Its name stays the same."""

    def checked(metadata: MetaData, name: str) -> None:
        check = sa.CheckConstraint(f"{name} IS NOT NULL OR {name} IS NULL", name="k")
        table("users", metadata, Column(name, Integer), check)

    change.start(lambda metadata: checked(metadata, "a"), {"users": [{"a": 1}]})
    change.go(lambda metadata: checked(metadata, "b"), "rename=users.a:b")
    assert change.rows("SELECT b FROM users") == [(1,)]


@case
def table_is_dropped_whose_name_is_in_views_of_the_system(change: Change) -> None:
    """As pg_stat_database, which counts sessions: nobody has to change that."""

    def tables(metadata: MetaData, *names: str) -> None:
        for name in names:
            table(name, metadata)

    change.start(lambda metadata: tables(metadata, "users", "sessions"))
    change.define(lambda metadata: tables(metadata, "users"))
    assert "The text of" not in change.autogenerate()


@case
def trigger_and_view_get_the_new_name(change: Change) -> None:
    """SQLite writes it there, PostgreSQL only into views; elsewhere the revision says what names the old one."""
    trigger = "CREATE TRIGGER t AFTER UPDATE ON posts {} INSERT INTO log (word) VALUES (NEW.title)"
    body = "BEGIN INSERT INTO log (word) VALUES (NEW.title); RETURN NEW; END"
    statements = {
        "sqlite": [trigger.format("BEGIN") + "; END"],
        "mysql": [trigger.format("FOR EACH ROW")],
        "postgresql": [
            f"CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS '{body}'",
            "CREATE TRIGGER t AFTER UPDATE ON posts FOR EACH ROW EXECUTE FUNCTION f()",
        ],
    }[change.dialect]
    told = {"sqlite": "", "mysql": "t, v", "postgresql": "f()"}[change.dialect]

    def logged(metadata: MetaData, name: str) -> None:
        table("posts", metadata, Column(name, String(9), index=True))
        table("log", metadata, Column("word", String(9)))

    change.start(lambda metadata: logged(metadata, "title"), {"posts": [{"title": "A"}]})
    with change.project.engine.begin() as connection:
        for statement in [*statements, "CREATE VIEW v AS SELECT title FROM posts"]:
            connection.exec_driver_sql(statement)
    change.define(lambda metadata: logged(metadata, "body"))
    dropped = {"sqlite": "trigger t, view v", "mysql": "t, v", "postgresql": "f(), v"}
    told_of = f"The text of {dropped[change.dialect]} contains 'title':"
    assert told_of in change.autogenerate()
    change.project.newest.unlink()
    change.define(lambda metadata: logged(metadata, "title"))
    change.go(lambda metadata: logged(metadata, "headline"), "rename=posts.title:headline")
    assert (f"The text of {told} contains 'title':" if told else "") in change.revision
    if change.dialect == "sqlite":
        with change.project.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE posts SET headline = 'B'")
        assert change.rows("SELECT word, headline FROM log, v") == [("B", "B")]


@case
def column_is_renamed_among_others(change: Change) -> None:
    """Types decide what can be asked of, and answers what is renamed."""

    def three(metadata: MetaData, *names: str) -> None:
        table("t", metadata, *(Column(name, String(9)) for name in names), Column("n", Integer))

    change.start(lambda metadata: three(metadata, "a", "b"), {"t": [{"a": "1", "b": "2", "n": 3}]})
    change.go(lambda metadata: three(metadata, "c", "d"), "rename=t.a:d", "rename=t.b:c")
    assert change.rows("SELECT d, c, n FROM t") == [("1", "2", 3)]


@case
def column_is_renamed_and_gets_another_type(change: Change) -> None:
    """Nobody is asked of that, but an answer is taken."""

    def named(metadata: MetaData, name: str, length: int, **more: Any) -> None:
        table("users", metadata, Column(name, String(length), index=True, **more))

    change.start(lambda metadata: named(metadata, "a", 9), {"users": [{"a": "A"}]})
    to_b = partial(named, name="b", length=19, nullable=False, server_default="c")
    change.go(to_b, "rename=users.a:b")
    assert change.rows("SELECT b FROM users") == [("A",)]


@case
def table_is_renamed_and_changed(change: Change) -> None:
    """One column is renamed, one dropped, one added and one altered."""

    def changed(metadata: MetaData, name: str, *columns: Column[Any]) -> None:
        users(metadata)
        user: Column[Any] = Column("user_id", ForeignKey("users.id"), index=True)
        table(name, metadata, user, *columns)
        table("comments", metadata, Column("post_id", ForeignKey(f"{name}.id")))

    def before(metadata: MetaData) -> None:
        columns = Column("a", String(9), index=True), Column("n", Integer), Column("gone", Integer)
        changed(metadata, "posts", *columns)

    def after(metadata: MetaData) -> None:
        columns = Column("b", String(19), index=True), Column("n", sa.BigInteger)
        changed(metadata, "articles", *columns, Column("new", Integer))

    post = {"id": 1, "user_id": 1, "a": "A", "n": 2}
    change.start(before, {"users": [{"id": 1}], "posts": [post], "comments": [{"post_id": 1}]})
    change.go(after, "rename=posts:articles", "rename=articles.a:b")
    assert change.rows("SELECT user_id, b, n, new FROM articles") == [(1, "A", 2, None)]


@case
def referring_column_is_renamed(change: Change) -> None:
    def follows(metadata: MetaData, name: str) -> None:
        users(metadata)
        key = ForeignKey("users.id", ondelete="CASCADE")
        table("posts", metadata, Column(name, key, nullable=False, index=True, unique=True))

    rows: Rows = {"users": [{"id": 7}], "posts": [{"id": 1, "user_id": 7}]}
    change.start(lambda metadata: follows(metadata, "user_id"), rows)
    change.go(lambda metadata: follows(metadata, "author_id"), "rename=posts.user_id:author_id")
    assert change.rows("SELECT author_id FROM posts") == [(7,)]


@case
def table_is_renamed(change: Change) -> None:
    change.start(posts, POSTS)
    change.go(lambda metadata: posts(metadata, name="articles"), "rename=posts:articles")
    found = change.rows("SELECT id, title, slug, author_id, parent_id FROM articles")
    assert found == [(1, "A", "a", 1, 1)]
    assert change.rows("SELECT post_id FROM comments") == [(1,)]

    def and_another(metadata: MetaData) -> None:
        posts(metadata, name="articles")
        key: Column[Any] = Column("author_id", ForeignKey("users.id"), index=True)
        table("posts", metadata, key)

    change.go(and_another)  # the old names are free again


@case
def tables_in_a_circle_are_renamed(change: Change) -> None:
    """On the way back, SQLite reads what a table refers to, which has to be there by its name then."""

    def keys(metadata: MetaData, one: str = "a", other: str = "b") -> None:
        key = ForeignKey(f"{other}.id", use_alter=True)
        table(one, metadata, Column("other_id", key))
        table(other, metadata, Column("one_id", ForeignKey(f"{one}.id")))

    change.start(keys, {"a": [{"id": 1}], "b": [{"one_id": 1}]})
    change.go(lambda metadata: keys(metadata, "c", "d"), "rename=a:c", "rename=b:d")
    assert change.rows("SELECT one_id FROM d JOIN c ON c.id = one_id") == [(1,)]


# Columns that become NOT NULL.


@case
def new_column_is_filled(change: Change) -> None:
    """Also if it has a key, an index and a check, and others are changed beside it."""

    def with_body(metadata: MetaData) -> None:
        users(metadata)
        body = Column("body", String(20), nullable=False, index=True)
        kind = sa.Enum("a", "b", native_enum=False, create_constraint=True, name="kind")
        at = Column("at", sa.DateTime, nullable=False)
        user: Column[Any] = Column("user_id", ForeignKey("users.id"), nullable=False)
        more = [Column[Any]("kind", kind, nullable=False), at, user, Column("n", Integer)]
        check = sa.CheckConstraint("body <> ''", name="body")
        table("posts", metadata, body, *more, check)

    def plain(metadata: MetaData) -> None:
        users(metadata)
        table("posts", metadata)

    change.start(plain, {"users": [{"id": 1}], "posts": [{"id": 1}, {"id": 2}]})
    change.go(
        with_body,
        *("fill=posts.body:it's :x 100%", "fill=posts.kind:b", "fill=posts.at:2026-01-02 03:04:05"),
        "fill=posts.user_id:(SELECT min(id) FROM users)",
    )
    found = change.rows("SELECT body, kind, user_id, n FROM posts")
    assert found == [("it's :x 100%", "b", 1, None)] * 2


class Kind(Enum):
    a, b = 1, 2


@case
def new_column_gets_the_default_of_the_model(change: Change) -> None:
    """Unasked, as new rows do: a value, or SQL; a function of Python is not called."""

    def things(metadata: MetaData) -> None:
        table(
            "things",
            metadata,
            Column("word", String(30), nullable=False, default="it's :x 100% {}"),
            Column("is_new", sa.Boolean, nullable=False, default=True),
            Column("kind", sa.Enum(Kind, name="kinds"), nullable=False, default=Kind.b),
            Column("price", sa.Numeric(8, 2), nullable=False, default=Decimal("1.50")),
            Column("day", sa.Date, nullable=False, default=sa.func.current_date()),
            Column("here", Integer, key="key", nullable=False, default=-7),
            Column("data", sa.JSON, nullable=False, default={"a": "it's \\ :x 100%"}),
        )
        if change.dialect == "postgresql":
            metadata.tables["things"].append_column(
                Column("tags", sa.ARRAY(sa.Text), nullable=False, default=[])
            )

    change.start(lambda m: table("things", m, Column("here", Integer)), {"things": [{"id": 1}]})
    change.go(things)
    ((data,),) = change.rows("SELECT data FROM things")
    found = json.loads(data) if isinstance(data, str) else data
    assert found == {"a": "it's \\ :x 100%"}
    (found,) = change.rows("SELECT word, is_new, kind, here, price FROM things")
    assert (*found[:4], float(found[4])) == ("it's :x 100% {}", 1, "b", -7, 1.5)
    by = partial(Column, "by", Integer, nullable=False, default=lambda: 1)
    raw = partial(Column, "raw", sa.LargeBinary, nullable=False, default=b"\0")
    change.define(lambda m: table("things", m, by(), raw()))
    told = change.autogenerate()
    assert "fill=things.by:VALUE" in told and "fill=things.raw:VALUE" in told


@case
def new_column_is_filled_from_a_dropped_one(change: Change) -> None:
    def names(metadata: MetaData, *columns: Column[Any]) -> None:
        table("users", metadata, *columns)

    change.start(lambda m: names(m, Column("a", String(9))), {"users": [{"a": "A"}]})
    change.define(lambda m: names(m, Column("b", String(30), nullable=False)))
    change.autogenerate("fill=users.b:lower(a)")
    change.upgrade()
    assert change.rows("SELECT b FROM users") == [("a",)]


@case
def nullable_column_is_filled(change: Change) -> None:
    def ages(metadata: MetaData, nullable: bool) -> None:
        table("users", metadata, Column("age", Integer, nullable=nullable))

    rows: Rows = {"users": [{"age": None}, {"age": 3}]}
    change.start(lambda metadata: ages(metadata, True), rows)
    change.go(lambda metadata: ages(metadata, False), "fill=users.age:7")
    assert change.rows("SELECT age FROM users ORDER BY id") == [(7,), (3,)]
    assert "SET age = 7 WHERE" in change.revision


@case
def renamed_column_is_filled(change: Change) -> None:
    """With what only its new type can hold."""

    def named(metadata: MetaData, name: str, length: int, nullable: bool) -> None:
        table("users", metadata, Column(name, String(length), nullable=nullable))

    change.start(lambda m: named(m, "a", 3, nullable=True), {"users": [{"a": None}, {"a": "b"}]})
    answers = "rename=users.a:name", "fill=users.name:long enough"
    change.define(lambda m: named(m, "name", 30, nullable=False))
    change.autogenerate(*answers)
    change.upgrade()
    assert change.rows("SELECT name FROM users ORDER BY id") == [("long enough",), ("b",)]


@case
def nothing_is_invented(change: Change) -> None:
    """MariaDB would give a number 0, and a time 0000-00-00; only PostgreSQL knows an Identity that is no key."""

    def with_time(metadata: MetaData) -> None:
        number: Column[Any] = Column("number", Integer, sa.Identity(), nullable=False)
        table("users", metadata, Column("at", sa.DateTime, nullable=False), number)

    change.start(users, {"users": [{"id": 1}]})
    change.define(with_time)
    assert "users.at: existing rows need a value" in change.autogenerate()
    is_told = "users.number: existing rows need a value" in change.revision
    assert is_told == (change.dialect != "postgresql")
    try:
        change.upgrade()
    except sa.exc.DBAPIError:
        pass
    else:
        raise AssertionError(change.rows("SELECT * FROM users"))


@case
def what_is_lost_stands_in_the_revision(change: Change) -> None:
    def before(metadata: MetaData) -> None:
        columns = (Column(name, Integer, index=name == "w") for name in "wyz")
        table("a", metadata, Column("x", String(9)), *columns)
        table("b", metadata)
        table("c", metadata)

    def after(metadata: MetaData) -> None:
        columns = (Column(name, Integer, unique=True, index=name == "w") for name in "wz")
        table("a", metadata, Column("x", String(3)), *columns)
        table("c", metadata, Column("no", Integer, primary_key=True, autoincrement=False))

    rows: list[dict[str, Any]] = [
        {"x": "four", "w": 2, "y": 1, "z": 2},
        {"x": "5", "w": 2, "y": None, "z": 2},
    ]
    change.start(before, {"a": rows, "b": [{"id": 1}]})
    change.define(after)
    revision = change.autogenerate()
    assert "# When this was written: a.y is dropped; rows with a value: 1." in revision
    assert (
        "The table b is dropped; rows in it: 1, and a downgrade fails if others refer" in revision
    )
    for name in "wz":
        assert f"# When this was written: a cannot be unique: {name} has a value twice." in revision
    assert "# c.no: existing rows need a value here" in revision  # or MariaDB would invent one
    assert (
        "# When this was written: a.x becomes VARCHAR(3): a value changes, or does not fit."
        in revision
    )


@case
def rows_that_refer_to_missing_ones(change: Change) -> None:
    def people(metadata: MetaData, *key: Any) -> None:
        table("people", metadata, Column("boss_id", Integer, *key), Column("code", String(9)))
        table("places", metadata, Column("code", String(9), unique=True))

    def both(metadata: MetaData) -> None:
        people(metadata, ForeignKey("people.id"))
        key = sa.ForeignKeyConstraint(["id", "code"], ["places.id", "places.code"])
        metadata.tables["people"].append_constraint(key)
        metadata.tables["places"].append_constraint(sa.UniqueConstraint("id", "code"))

    rows: list[dict[str, Any]] = [{"boss_id": None, "code": "a"}, {"boss_id": 1, "code": None}]
    change.start(people, {"people": rows, "places": [{"code": "a"}, {"code": None}]})
    change.define(both)
    assert "refers to missing" not in change.autogenerate()
    change.project.newest.unlink()
    with change.project.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE people SET boss_id = 7, code = 'b' WHERE id = 2")
    change.autogenerate()
    for parent in ("people", "places"):
        lost = f"people refers to missing rows of {parent}: the revision fails"
        assert f"# When this was written: {lost}." in change.revision
    change.project.newest.unlink()

    def later(metadata: MetaData) -> None:
        people(metadata, ForeignKey("bosses.id"))
        table("bosses", metadata)  # which is empty

    change.define(later)
    assert "people refers to missing rows of bosses" in change.autogenerate()


@case
def rows_that_a_new_check_does_not_allow(change: Change) -> None:
    def sizes(metadata: MetaData, *checks: Any) -> None:
        table("sizes", metadata, Column("size", Integer), *checks)

    change.start(sizes, {"sizes": [{"size": 1}, {"size": None}]})
    change.define(lambda m: sizes(m, sa.CheckConstraint("size > 0 OR size < -9", "size")))
    if not hasattr(DefaultImpl, "compare_check_constraint"):
        return  # before 1.18, they are not compared
    assert "does not allow" not in change.autogenerate()
    change.project.newest.unlink()
    with change.project.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE sizes SET size = 0 WHERE id = 1")
    lost = "# When this was written: sizes has rows that its new check does not allow: the revision"
    assert lost in change.autogenerate()


@case
def answer_that_fits_nothing_is_refused(change: Change) -> None:
    change.start(posts, POSTS)
    change.define(lambda metadata: posts(metadata, "headline"))
    for x in ("rename=posts.title:headlin", "rename=post:articles", "fill=posts.slug:1"):
        try:
            change.autogenerate(x)
        except CommandError as error:
            assert "matches no change" in str(error)
        else:
            raise AssertionError(change.revision)


@case
def constraint_without_a_name_goes_with_its_column(change: Change) -> None:
    """The tables are from a time without a naming convention."""

    def after(metadata: MetaData) -> None:
        users(metadata)
        table("posts", metadata, Column("n", Integer))

    change.start(users, {"users": [{"id": 1}]})
    with change.project.engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE posts (id INTEGER NOT NULL PRIMARY KEY, user_id INTEGER,"
            " slug VARCHAR(9), n INTEGER, UNIQUE (slug), FOREIGN KEY (user_id) REFERENCES users (id))"
        )
        connection.exec_driver_sql("INSERT INTO posts VALUES (1, 1, 'a', 2)")
    change.define(after)
    change.autogenerate()
    change.upgrade()
    command.downgrade(change.config(), "-1")
    change.upgrade()
    assert change.rows("SELECT id, n FROM posts") == [(1, 2)]


@case
def constraints_without_names(change: Change) -> None:
    """They are renamed with their table, dropped and created; SQLite has no names of them at all."""
    convention = change.project.metadata.naming_convention

    def shelves(
        metadata: MetaData,
        name: str,
        title: str,
        *more: Any,
        key: bool = True,
        unique: bool = True,
    ) -> None:
        metadata.naming_convention = MetaData().naming_convention
        users(metadata)
        user: list[Any] = [ForeignKey("users.id")] if key else []
        columns = [Column("user_id", Integer, *user), Column("up_id", ForeignKey(f"{name}.id"))]
        table(name, metadata, *columns, Column(title, String(9), unique=unique), *more)
        table("boxes", metadata, Column("shelf_id", ForeignKey(f"{name}.id"), unique=True))

    rows: Rows = {"users": [{"id": 1}], "shelves": [{"id": 1, "user_id": 1, "up_id": 1, "a": "b"}]}
    try:
        change.start(lambda metadata: shelves(metadata, "shelves", "a"), rows)
        change.go(lambda metadata: shelves(metadata, "shelves", "b"), "rename=shelves.a:b")
        change.go(lambda metadata: shelves(metadata, "racks", "b"), "rename=shelves:racks")
        change.go(lambda metadata: shelves(metadata, "racks", "c"), "rename=racks.b:c")
        pair = ("user_id", "c")
        change.go(lambda metadata: shelves(metadata, "racks", "c", sa.UniqueConstraint(*pair)))
        change.go(lambda metadata: shelves(metadata, "racks", "c", key=False))
        change.go(lambda metadata: shelves(metadata, "racks", "c", key=False, unique=False))
        assert change.rows("SELECT user_id, up_id, c FROM racks") == [(1, 1, "b")]
        with change.project.engine.begin() as connection:  # not unique any more
            connection.exec_driver_sql("INSERT INTO racks (id, c) VALUES (2, 'b')")
    finally:
        change.project.metadata.naming_convention = convention


@case
def unique_constraints_without_names(change: Change) -> None:
    """They are there again after a downgrade; SQLite's are seen only if a column is new."""
    convention = change.project.metadata.naming_convention

    def pairs(metadata: MetaData, name: str | None, **options: Any) -> None:
        metadata.naming_convention = MetaData().naming_convention
        table("pairs", metadata, *map(Column, "cd", (String(9), String(9))))
        if name:
            pair = metadata.tables["pairs"]
            pair.append_column(Column(name, String(9), **options))
            if options:
                pair.append_constraint(sa.UniqueConstraint("d", name))

    try:
        row = {"a": "A", "c": "C", "d": "D"}
        change.start(lambda metadata: pairs(metadata, "a", unique=True), {"pairs": [row]})
        change.go(lambda metadata: pairs(metadata, "b", unique=True), "rename=pairs.a:b")
        change.go(lambda metadata: pairs(metadata, None))
        change.go(lambda metadata: pairs(metadata, "a", unique=True))
        change.go(lambda metadata: pairs(metadata, "a"))
    finally:
        change.project.metadata.naming_convention = convention


@case
def table_without_names_comes_back(change: Change) -> None:
    """The naming convention, which came later, wants names of all of its constraints."""
    convention = change.project.metadata.naming_convention

    def pets(metadata: MetaData) -> None:
        metadata.naming_convention = MetaData().naming_convention
        users(metadata)
        check, owner = sa.CheckConstraint("age > 0"), ForeignKey("users.id")
        age: Column[Any] = Column("age", Integer, check)
        table("pets", metadata, age, Column("owner_id", owner), sa.UniqueConstraint("owner_id"))

    def no_pets(metadata: MetaData) -> None:
        name = "%(table_name)s_%(constraint_name)s"
        metadata.naming_convention = {"uq": name, "ck": name, "fk": name}
        users(metadata)

    try:
        change.start(pets, {"users": [{"id": 1}]})
        change.go(no_pets)
    finally:
        change.project.metadata.naming_convention = convention


@case
def unique_constraint_without_a_name_gets_a_second_one(change: Change) -> None:
    convention = change.project.metadata.naming_convention

    def codes(metadata: MetaData, *more: sa.UniqueConstraint) -> None:
        metadata.naming_convention = MetaData().naming_convention
        table("codes", metadata, Column("code", String(9), unique=True), *more)

    try:
        change.start(codes, {"codes": [{"code": "a"}]})
        change.define(lambda metadata: codes(metadata, sa.UniqueConstraint("code", name="other")))
        command.check(change.config())
    finally:
        change.project.metadata.naming_convention = convention


@case
def unique_constraints_get_names(change: Change) -> None:
    """Each is there once, and again after a downgrade; SQLite has one in place of two that are alike."""
    convention = change.project.metadata.naming_convention
    columns = "%(table_name)s_%(column_0_N_name)s"

    def codes(metadata: MetaData, name: str = "", is_pair: bool = True) -> None:
        metadata.naming_convention = {"uq": name} if name else MetaData().naming_convention
        pair = [sa.UniqueConstraint("code", "part")] if is_pair else []
        part = Column("part", Integer)
        table("codes", metadata, Column("code", String(9), unique=True), part, *pair)

    try:
        for name in (f"{columns}_once", f"uq_{columns}"):  # as SQLite's without a name are called
            change.project.forget()
            change.start(codes, {"codes": [{"code": "a", "part": 1}]})
            change.go(partial(codes, name=name))
            if len([*change.project.versions.glob("*.py")]) == 2:
                command.downgrade(change.config(), "-1")
            found = sa.inspect(change.project.engine).get_unique_constraints("codes")
            assert sorted(len(each["column_names"]) for each in found) == [1, 2]
            change.upgrade()
            change.go(partial(codes, name=name, is_pair=False))
    finally:
        change.project.metadata.naming_convention = convention


@case
def column_that_is_unique_twice(change: Change) -> None:
    """Of two that say the same, SQLite has one, and PostgreSQL too if both are made at once."""

    def codes(metadata: MetaData, is_twice: bool, is_once: bool = True) -> None:
        other = [sa.UniqueConstraint("code", name="other")] if is_twice else []
        table("codes", metadata, Column("code", String(9), unique=is_once), *other)

    change.start(lambda metadata: codes(metadata, is_twice=True), {"codes": [{"code": "a"}]})
    command.check(change.config())
    change.go(lambda metadata: codes(metadata, is_twice=False))
    change.go(lambda metadata: codes(metadata, is_twice=True))
    change.go(lambda metadata: codes(metadata, is_twice=True, is_once=False))
    change.go(lambda metadata: codes(metadata, is_twice=False, is_once=False))
    change.go(lambda metadata: codes(metadata, is_twice=True))


@case
def rows_refer_to_a_new_table(change: Change) -> None:
    """It is there when they are filled, so that its first row can be inserted before."""

    def posts(metadata: MetaData) -> None:
        table("posts", metadata, Column("code", String(9)))

    def sorted_posts(metadata: MetaData) -> None:
        code: Column[Any] = Column("code", String(9), unique=True)
        kind: Column[Any] = Column("kind_id", ForeignKey("kinds.id"), nullable=False)
        table("posts", metadata, code, kind)
        group: Column[Any] = Column("group_id", ForeignKey("groups.id"), nullable=False)
        pinned: Column[Any] = Column("pinned", ForeignKey("posts.code"), index=True)
        table("kinds", metadata, group, pinned, Column("up_id", ForeignKey("kinds.id")))
        table("groups", metadata)

    change.start(posts, {"posts": [{"id": 1, "code": "a"}]})
    change.define(sorted_posts)
    revision = change.autogenerate("fill=posts.kind_id:7")
    assert "# posts.kind_id needs a row of kinds: if there are rows, insert it here." in revision
    path, filling = change.project.newest, "    op.execute('UPDATE"
    rows = "INSERT INTO groups VALUES (3)", "INSERT INTO kinds (id, group_id) VALUES (7, 3)"
    first = "".join(f"    op.execute('{row}')\n" for row in rows) + filling
    path.write_text(path.read_text(encoding="utf-8").replace(filling, first), encoding="utf-8")
    change.upgrade()
    assert change.rows("SELECT kind_id FROM posts") == [(7,)]
    command.downgrade(change.config(), "-1")
    assert change.rows("SELECT * FROM posts") == [(1, "a")]
    command.upgrade(change.config(), "head")


@case
def index_of_a_foreign_key_changes(change: Change) -> None:
    """MySQL lets none be dropped that a key needs, makes its own, and forgets comments."""

    def follows(metadata: MetaData, name: str = "user_id", **options: Any) -> None:
        users(metadata)
        note = Column(name.replace("user", "note"), Integer, comment="it's 100%")
        table("posts", metadata, Column(name, ForeignKey("users.id"), **options), note)

    change.start(follows, {"users": [{"id": 1}], "posts": [{"id": 1, "user_id": 1}]})
    change.go(lambda metadata: follows(metadata, index=True))
    change.go(lambda metadata: follows(metadata, unique=True))
    change.go(follows)

    def indexed(metadata: MetaData, *keys: ForeignKey) -> None:
        """The index of the model has the name that MySQL gives to one of its own."""
        users(metadata)
        column: Column[Any] = Column("user_id", Integer, *keys)
        table("posts", metadata, column, sa.Index("user_id", column))

    change.go(lambda metadata: indexed(metadata, ForeignKey("users.id")))
    change.go(indexed)
    change.go(follows)
    answers = ("rename=posts.user_id:user_no", "rename=posts.note_id:note_no")
    change.go(lambda metadata: follows(metadata, "user_no"), *answers)


@case
def index_with_the_name_of_its_column_comes_back(change: Change) -> None:
    def boxes(metadata: MetaData) -> None:
        users(metadata)
        key = ForeignKey("users.id", name="fk_owner")
        table("boxes", metadata, Column("owner_id", key), sa.Index("owner_id", "owner_id"))

    change.start(boxes)
    change.go(users)


@case
def key_of_columns_that_are_there(change: Change) -> None:
    """The index that MySQL makes for it goes on the way back; and it has a name that is needed."""

    def notes(metadata: MetaData, *columns: str, name: str | None = None, **more: Any) -> None:
        users(metadata)
        places = Column("a", Integer, **more), Column("b", Integer)
        keys = (sa.ForeignKeyConstraint([each], ["users.id"], name=name) for each in columns)
        table("notes", metadata, *places, *keys)

    change.start(notes, {"users": [{"id": 1}], "notes": [{"a": 1, "b": 1}]})
    change.go(lambda metadata: notes(metadata, "a"))
    change.go(lambda metadata: notes(metadata, "a", "b"))
    change.go(lambda metadata: notes(metadata, "a", "b", index=True))
    change.go(notes)
    change.go(lambda metadata: notes(metadata, "a", name="to_user"))
    change.go(lambda metadata: notes(metadata, "b", name="to_user"))
    convention, nameless = change.project.metadata.naming_convention, MetaData()
    change.project.metadata.naming_convention = nameless.naming_convention
    try:
        change.go(lambda metadata: notes(metadata, "a"))
        change.go(notes)
    finally:
        change.project.metadata.naming_convention = convention


@case
def unique_constraint_that_keys_refer_to(change: Change) -> None:
    """It is another one, and then an index."""

    def steps(metadata: MetaData, unique: Callable[[], Any]) -> None:
        up: Column[Any] = Column("up_code", ForeignKey("tasks.code"))
        table("tasks", metadata, Column("code", String(9)), up, unique())
        key = ForeignKey("tasks.code", ondelete="CASCADE", name="key_of_steps")
        table("steps", metadata, Column("code", key, index=True))

    rows = {"tasks": [{"code": "a", "up_code": "a"}], "steps": [{"code": "a"}]}
    change.start(lambda m: steps(m, lambda: sa.UniqueConstraint("code", name="one")), rows)
    change.go(lambda m: steps(m, lambda: sa.UniqueConstraint("code", name="other")))
    change.go(lambda m: steps(m, lambda: sa.Index("third", "code", unique=True)))
    (key,) = sa.inspect(change.project.engine).get_foreign_keys("steps")
    assert (key["name"], key["options"]) == ("key_of_steps", {"ondelete": "CASCADE"})
    assert change.rows("SELECT code FROM steps") == [("a",)]


@case
def columns_of_a_key_get_another_type(change: Change) -> None:
    """MySQL changes neither while the key is there."""

    def trees(metadata: MetaData, type_: Any, **options: Any) -> None:
        up: Column[Any] = Column("up_id", type_, ForeignKey("trees.id"))
        key = Column("id", type_, primary_key=True, autoincrement=False)
        sa.Table("trees", metadata, key, up)
        leaf: Column[Any] = Column("tree_id", type_, ForeignKey("trees.id"), **options)
        no = sa.Integer if type_ is Integer else sa.BigInteger
        sa.Table("leaves", metadata, Column("no", no, primary_key=True), leaf)

    ids: list[dict[str, Any]] = [{"id": 1, "up_id": None}, {"id": 2, "up_id": 1}]
    rows = {"trees": ids, "leaves": [{"tree_id": 2}]}
    change.start(lambda metadata: trees(metadata, Integer), rows)
    change.go(lambda metadata: trees(metadata, sa.BigInteger, nullable=False))
    assert ("autoincrement" in change.revision) == (change.dialect != "postgresql")
    change.go(lambda metadata: trees(metadata, String(20), index=True))
    join = "SELECT t.id, up_id, tree_id FROM trees t LEFT JOIN leaves ON tree_id = t.id"
    assert {*change.rows(join)} == {("1", None, None), ("2", "1", "2")}


@case
def column_with_two_keys_is_renamed(change: Change) -> None:
    """They have no names, except on SQLite, where both would get the same."""
    convention = change.project.metadata.naming_convention

    def children(metadata: MetaData, name: str) -> None:
        if change.dialect != "sqlite":
            metadata.naming_convention = MetaData().naming_convention
        table("mothers", metadata)
        table("fathers", metadata)
        keys = ForeignKey("mothers.id"), ForeignKey("fathers.id")
        table("children", metadata, Column(name, Integer, *keys))

    try:
        one = [{"id": 1}]
        rows = {"mothers": one, "fathers": one, "children": [{"parent_id": 1}]}
        change.start(lambda metadata: children(metadata, "parent_id"), rows)
        change.go(lambda m: children(m, "both_id"), "rename=children.parent_id:both_id")
        assert len(sa.inspect(change.project.engine).get_foreign_keys("children")) == 2
        assert change.rows("SELECT both_id FROM children") == [(1,)]
    finally:
        change.project.metadata.naming_convention = convention


@case
def constraint_beside_two_keys_goes(change: Change) -> None:
    """None of the three has a name. Batch mode would keep one of the keys."""
    if change.dialect != "sqlite":
        return
    convention = change.project.metadata.naming_convention

    def children(metadata: MetaData, *more: sa.UniqueConstraint) -> None:
        metadata.naming_convention = MetaData().naming_convention
        table("mothers", metadata)
        table("fathers", metadata)
        keys = ForeignKey("mothers.id"), ForeignKey("fathers.id")
        table("children", metadata, Column("parent_id", Integer, *keys), *more)

    try:
        change.start(lambda metadata: children(metadata, sa.UniqueConstraint("parent_id")))
        change.define(children)
        change.autogenerate()
        assert is_refused(CommandError, lambda: command.upgrade(change.config(), "head"))
        file = change.project.newest
        text = file.read_text(encoding="utf-8")
        new = "column_0_N_name)s_%(referred_table_name)s', 'uq'"
        file.write_text(text.replace("column_0_N_name)s', 'uq'", new), encoding="utf-8")
        change.upgrade()
        assert len(sa.inspect(change.project.engine).get_foreign_keys("children")) == 2
    finally:
        change.project.metadata.naming_convention = convention


# Enums.


def with_kind(metadata: MetaData, *values: str, name: str = "kind", **more: Any) -> None:
    kind: Column[Any] = Column("kind", sa.Enum(*values, name=name), **more)
    table("users", metadata, *([kind] if values else []))


@case
def enum_changes(change: Change) -> None:
    """A new type on an old table, values added, put between and removed, and the type dropped."""
    change.start(users, {"users": [{"id": 1}]})
    change.go(lambda metadata: with_kind(metadata, "a", "b"))
    change.go(lambda metadata: with_kind(metadata, "a", "c", "b"))
    change.go(lambda metadata: with_kind(metadata, "a", "b", "d", index=True))
    change.go(lambda metadata: with_kind(metadata, "a", "b", "d", server_default="a"))
    change.go(lambda metadata: with_kind(metadata, "a", "d", server_default="a"))
    change.go(lambda metadata: with_kind(metadata, "a", "d", "e", server_default="d"))
    change.go(lambda metadata: with_kind(metadata, "d", "e", server_default=sa.text("'d'")))
    change.go(lambda metadata: with_kind(metadata, "z", "d", server_default=None))
    change.go(users)
    if change.dialect == "postgresql":
        assert change.rows("SELECT typname FROM pg_type WHERE typtype = 'e'") == []


@case
def enum_without_a_type_changes(change: Change) -> None:
    """Its check is made once, and spelled by the database in the same way after a downgrade."""

    def kinds(metadata: MetaData, *values: str, length: int) -> None:
        options: Any = {"native_enum": False, "create_constraint": True, "name": "kind"}
        table("users", metadata, Column("kind", sa.Enum(*values, length=length, **options)))

    change.start(lambda metadata: kinds(metadata, "a", "b", length=2), {"users": [{"kind": "a"}]})
    change.define(lambda metadata: kinds(metadata, "a", "c", length=2))
    found = [bool(change.project.differences()) for _ in range(3)]
    assert len({*found}) == 1  # Alembic would add a copy of the check to the models
    change.define(lambda metadata: kinds(metadata, "a", "b", length=2))
    change.go(lambda metadata: kinds(metadata, "a", "b", "long", length=9))
    command.downgrade(change.config(), "-1")
    change.project.newest.unlink()
    change.define(lambda metadata: kinds(metadata, "a", "b", length=2))
    command.check(change.config())


@case
def enum_value_is_renamed(change: Change) -> None:
    if change.dialect != "postgresql":
        return
    before = partial(with_kind, server_default="b")
    change.start(lambda metadata: before(metadata, "a", "b"))
    with change.project.engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO users VALUES (1, 'b')")
    to_c = partial(with_kind, server_default="a c")
    change.define(lambda metadata: to_c(metadata, "a", "a c"))
    assert (
        "kind.b is no longer a value: the revision fails if a row has it" in change.autogenerate()
    )
    change.project.newest.unlink()
    change.define(lambda metadata: before(metadata, "a", "b"))
    change.go(lambda metadata: to_c(metadata, "a", "a c"), "rename=kind.b:a c")
    change.go(lambda metadata: to_c(metadata, "d", "a c", "e"), "rename=kind.a:d")
    assert change.rows("SELECT kind FROM users") == [("a c",)]


@case
def enum_value_is_new_and_used(change: Change) -> None:
    """As a default, and for rows: PostgreSQL wants a commit before that."""
    change.start(lambda m: with_kind(m, "a", "b", server_default="a"), {"users": [{"id": 1}]})
    change.go(lambda m: with_kind(m, "a", "b", "c", server_default="c"))
    change.go(lambda m: with_kind(m, "a", "d", server_default="d"))
    change.go(lambda m: with_kind(m, "a", "d"))
    with change.project.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE users SET kind = NULL")
    change.define(lambda m: with_kind(m, "a", "d", "e", nullable=False))
    change.autogenerate("fill=users.kind:e")
    change.upgrade()  # there is no way back
    assert change.rows("SELECT kind FROM users") == [("e",)]


@case
def enum_values_with_quotes(change: Change) -> None:
    change.start(lambda m: with_kind(m, "it's", "a:b", "100%"), {"users": [{"kind": "it's"}]})
    change.go(lambda m: with_kind(m, "it's", "a:b", "100%", "it's :x", server_default="it's"))
    change.go(lambda m: with_kind(m, "it's :x", "it's", server_default="it's :x"))
    assert change.rows("SELECT kind FROM users") == [("it's",)]


@case
def enum_is_filled(change: Change) -> None:
    change.start(users, {"users": [{"id": 1}]})
    change.go(lambda metadata: with_kind(metadata, "a", "b", nullable=False), "fill=users.kind:b")
    assert change.rows("SELECT kind FROM users") == [("b",)]


@case
def enum_of_several_metadata(change: Change) -> None:
    """They may be in a tuple, too."""
    options = change.project.app.config.setdefault("ALEMBIC_CONTEXT", {})
    other = MetaData(naming_convention=change.project.metadata.naming_convention)
    options["target_metadata"] = change.project.metadata, other
    try:
        with_kind(other, "a", "b")
        change.start(lambda metadata: table("pets", metadata), {"pets": [{"id": 1}]})
        command.check(change.config())
        assert change.rows("SELECT kind FROM users") == []
    finally:
        del options["target_metadata"]


@case
def enum_of_new_and_dropped_tables(change: Change) -> None:
    def tags(metadata: MetaData) -> None:
        users(metadata)
        type_ = sa.Enum("a", "Enum", name="TagEnum")
        kind: Column[Any] = Column("kind", type_, server_default="Enum")
        table("tags", metadata, kind, Column("user_id", ForeignKey("users.id")))

    change.start(users, {"users": [{"id": 1}]})
    change.go(tags)
    assert "name='TagEnum'" in change.revision
    change.go(users)
    change.go(tags)


# What only some databases have.


@case
def identity(change: Change) -> None:
    """Also where the models say nothing of it, as whose tables somebody else made."""
    if change.dialect != "postgresql":
        return

    def numbered(metadata: MetaData, *more: Any) -> None:
        sa.Table("t", metadata, Column("id", Integer, sa.Identity(), primary_key=True), *more)

    change.start(numbered, {"t": [{}, {}]})
    change.go(lambda metadata: numbered(metadata, Column("a", Integer)))
    change.define(lambda metadata: table("t", metadata, Column("a", Integer)))
    command.check(change.config())
    change.go(lambda metadata: table("t", metadata))
    assert change.rows("INSERT INTO t DEFAULT VALUES RETURNING id") == [(3,)]


@case
def identity_changes(change: Change) -> None:
    """A column becomes one, gets other options, and is none again."""
    if change.dialect != "postgresql":
        return

    def numbered(metadata: MetaData, **options: Any) -> None:
        identity = [sa.Identity(**options)] if options else []
        table("users", metadata, Column("n", Integer, *identity, nullable=False))

    change.start(numbered, {"users": [{"n": 1}]})
    change.go(lambda metadata: numbered(metadata, always=False))
    change.go(lambda metadata: numbered(metadata, always=True, start=10, increment=5))
    change.go(numbered)
    assert change.rows("SELECT n FROM users") == [(1,)]


@case
def identity_of_a_column_that_may_be_null(change: Change) -> None:
    """Alembic does not compare NOT NULL there, which PostgreSQL wants of an identity, and keeps of it."""

    def numbered(metadata: MetaData, *identity: sa.Identity, type_: Any = Integer) -> None:
        table("users", metadata, Column("n", type_, *identity))

    change.start(numbered, {"users": [{"id": 1, "n": 1}, {"id": 2, "n": None}]})
    change.go(lambda metadata: numbered(metadata, sa.Identity()), "fill=users.n:2")
    assert change.rows("SELECT n FROM users ORDER BY id") == [(1,), (2,)]
    change.go(numbered)
    change.go(lambda metadata: numbered(metadata, sa.Identity(), type_=sa.BigInteger))
    change.go(lambda metadata: numbered(metadata, type_=String(9)))
    assert change.rows("SELECT n FROM users ORDER BY id") == [("1",), ("2",)]


@case
def primary_key_that_may_be_null(change: Change) -> None:
    """As the models say, and no database lets it."""

    def pairs(metadata: MetaData, *more: Any) -> None:
        names = (Column(name, String(9), primary_key=True, nullable=True) for name in "ab")
        sa.Table("pairs", metadata, *names, *more)

    change.start(pairs, {"pairs": [{"a": "A", "b": "B"}]})
    assert change.project.differences() == {}  # as `check` says
    change.go(lambda metadata: pairs(metadata, Column("c", Integer)))


@case
def primary_key_of_other_columns(change: Change) -> None:
    """Alembic does not see it; a renamed column is no other one."""

    def pairs(metadata: MetaData, *keys: str) -> None:
        columns = (
            Column(n, Integer, primary_key=n in keys, nullable=False) for n in ("a", keys[-1])
        )
        sa.Table("pairs", metadata, *columns)

    change.start(lambda metadata: pairs(metadata, "a", "b"), {"pairs": [{"a": 1, "b": 2}]})
    change.define(lambda metadata: pairs(metadata, "b"))
    told = "Primary key of pairs differs: rename it, or change it by hand."
    assert warnings_of(change.autogenerate) == [told]
    change.define(lambda metadata: pairs(metadata, "a", "c"))
    assert told not in warnings_of(lambda: change.autogenerate("rename=pairs.b:c"))
    change.project.newest.unlink()
    change.define(
        lambda metadata: sa.Table("pairs", metadata, Column("d", String(9), primary_key=True))
    )
    assert told in warnings_of(change.autogenerate)  # else there would be none


@case
def surrogate_key_in_place_of_a_natural_one(change: Change) -> None:
    change.start(
        lambda metadata: sa.Table("codes", metadata, Column("a", Integer, primary_key=True)),
        {"codes": [{"a": 1}]},
    )
    change.define(lambda metadata: table("codes", metadata, Column("a", Integer, nullable=False)))
    told = "Primary key of codes differs: rename it, or change it by hand."
    assert told in warnings_of(change.autogenerate)


@case
def versioned_table(change: Change) -> None:
    """MariaDB keeps the rows there were, and shows columns of its own."""
    if not getattr(change.project.engine.dialect, "is_mariadb", False):
        return

    def keep(connection: Any, _: object) -> None:
        connection.cursor().execute("SET system_versioning_alter_history = KEEP")

    change.start(users, {"users": [{"id": 1}]})
    with change.project.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE users ADD SYSTEM VERSIONING")
    command.check(change.config())
    sa.event.listen(change.project.engine, "connect", keep)
    change.project.engine.dispose()
    change.go(lambda metadata: table("users", metadata, Column("a", Integer)))
    assert change.rows("SELECT id, a FROM users") == [(1, None)]


@case
def comments(change: Change) -> None:
    if change.dialect == "sqlite":
        return

    def told(metadata: MetaData, one: str | None, other: str | None) -> None:
        a = Column("a", String(20), server_default="x:y", comment=other)
        table("users", metadata, a, comment=one)

    change.start(lambda metadata: told(metadata, None, None), {"users": [{"a": "A"}]})
    change.go(lambda metadata: told(metadata, "it's 100% :a", "it's 100% :b"))
    change.go(lambda metadata: told(metadata, "other", None))
    change.go(lambda metadata: told(metadata, None, "other"))
    assert change.rows("SELECT a FROM users") == [("A",)]


class Now(sa.sql.functions.FunctionElement[Any]):
    """A default that only dialects can write, as in SQLAlchemy's documentation."""

    inherit_cache = True


@compiles(Now, "sqlite")
@compiles(Now, "postgresql")
@compiles(Now, "mysql")
def write_now(element: Now, compiler: Any, **_: Any) -> str:
    now = "now(3)" if compiler.dialect.name == "mysql" else "CURRENT_TIMESTAMP"
    return f"\n (\n {now})\n " if compiler.dialect.name == "sqlite" else now


@case
def default_of_ones_own(change: Change) -> None:
    def dated(metadata: MetaData, default: Any) -> None:
        type_ = sa.DateTime().with_variant(mysql.DATETIME(fsp=3), "mysql")
        table("users", metadata, Column("at", type_, server_default=default))

    change.start(lambda metadata: dated(metadata, Now()), {"users": [{"id": 1}]})
    command.check(change.config())
    change.go(lambda metadata: dated(metadata, None))
    change.go(lambda metadata: dated(metadata, Now()))


@case
def computed_columns(change: Change) -> None:
    """One is added and dropped, also with what it uses; beside it, another column is renamed."""

    def doubled(metadata: MetaData, name: str, *more: Column[Any]) -> None:
        table("users", metadata, Column("n", Integer), Column(name, String(9)), *more)

    change.start(lambda metadata: doubled(metadata, "a"), {"users": [{"n": 2, "a": "A"}]})
    stored = change.dialect != "sqlite"  # which cannot add one that is stored

    def computed(name: str) -> Column[Any]:
        return Column(name, Integer, sa.Computed("n * 2", persisted=stored))

    change.go(lambda metadata: doubled(metadata, "a", computed("twice")))
    change.go(lambda metadata: doubled(metadata, "b", computed("twice")), "rename=users.a:b")
    change.go(lambda m: doubled(m, "b", computed("again")), "rename=users.twice:again")
    assert change.rows("SELECT b, again FROM users") == [("A", 4)]

    def of(metadata: MetaData, name: str) -> None:
        twice = Column("twice", Integer, sa.Computed(f"{name} * 2", persisted=True))
        table("things", metadata, Column(name, Integer), twice)

    change.project.forget()
    change.start(partial(of, name="n"), {"things": [{"n": 2}]})
    change.go(partial(of, name="m"), "rename=things.n:m")
    assert change.rows("SELECT m, twice FROM things") == [(2, 4)]

    def with_both(metadata: MetaData) -> None:
        twice = Column("twice", Integer, sa.Computed("n * 2", persisted=stored))
        table("things", metadata, twice, Column("n", Integer), sa.Index("ix_twice", "twice"))

    change.project.forget()
    change.start(lambda metadata: table("things", metadata), {"things": [{"id": 1}]})
    change.go(with_both)
    change.go(lambda metadata: table("things", metadata))


@case
def view_is_no_table(change: Change) -> None:
    """SQLAlchemy 2.1 has views among the tables of a metadata."""
    if not hasattr(sa, "CreateView"):
        return

    def seen(metadata: MetaData) -> None:
        users(metadata)
        sa.CreateView(sa.select(metadata.tables["users"]), "seen", metadata=metadata)

    change.start(users)
    change.define(seen)
    told = "There is no view seen: create it with op.execute()."
    assert warnings_of(lambda: command.check(change.config())) == [told]
    with change.project.engine.begin() as connection:
        connection.exec_driver_sql("CREATE VIEW seen AS SELECT * FROM users")
    assert warnings_of(lambda: command.check(change.config())) == []


@case
def indexes_on_some_rows_and_on_expressions(change: Change) -> None:
    def indexed(metadata: MetaData, *indexes: sa.Index) -> None:
        table("users", metadata, Column("a", String(20)), Column("b", Integer), *indexes)

    names = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'index'",
        "postgresql": "SELECT indexname FROM pg_indexes WHERE tablename = 'users'",
        "mysql": "SELECT index_name FROM information_schema.statistics"
        " WHERE table_schema = DATABASE() AND table_name = 'users'",
    }[change.dialect]
    where: Any = {f"{change.dialect}_where": sa.text("b > 0")} if change.dialect != "mysql" else {}
    change.start(indexed, {"users": [{"a": "A", "b": 1}]})
    lower = sa.func.lower(sa.column("a")) if change.dialect != "mysql" else sa.text("a DESC")
    change.go(lambda m: indexed(m, sa.Index("ix_some", "a", **where), sa.Index("ix_lower", lower)))
    assert {("ix_some",), ("ix_lower",)} <= {*change.rows(names)}
    change.go(lambda m: indexed(m, sa.Index("ix_up", sa.column("b").asc())))
    change.go(lambda m: indexed(m, sa.Index("ix_lower", lower, unique=True)))
    change.go(indexed)
    assert not {("ix_some",), ("ix_lower",)} & {*change.rows(names)}
    # PostgreSQL spells once more what a downgrade has made of its spelling.
    where = {key: sa.column("a", String).in_(["A:", "B%"]) for key in where}
    change.go(lambda m: indexed(m, sa.Index("ix_in", "a", **where)))
    change.go(indexed)

    def plain(metadata: MetaData) -> None:
        table("users", metadata, Column("a", String(20), index=True), Column("b", Integer))

    change.go(plain)
    if change.dialect == "mysql":
        return
    with change.project.engine.begin() as connection:  # somebody makes another one of that name
        connection.exec_driver_sql("DROP INDEX ix_users_a")
        connection.exec_driver_sql("CREATE INDEX ix_users_a ON users (a) WHERE b > 0")
    assert "create_index" in change.autogenerate()
    change.upgrade()


@case
def what_batch_mode_would_lose(change: Change) -> None:
    """SQLite: what is not read of a table is there again when it was made anew."""
    if change.dialect != "sqlite":
        return

    def all_of(metadata: MetaData, length: int, name: str = "n") -> None:
        metadata.naming_convention = MetaData().naming_convention
        columns = Column("a", String(length, collation="NOCASE")), Column(name, Integer)
        check = sa.CheckConstraint(f"{name} > 0 AND a <> 'x:y'")
        t = table("users", metadata, *columns, check, sqlite_autoincrement=True)
        sa.Index("ix_lower", sa.func.lower(t.c.a), unique=True)
        sa.Index("ix_descending", t.c[name].desc())
        sa.Index("ix_some", t.c[name], sqlite_where=t.c[name] > 0)

    def there() -> list[Any]:
        found = change.rows("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'alembic%'")
        return sorted(
            (name, (sql or "").replace('"', "").replace("19", "9")) for name, sql in found
        )

    convention = change.project.metadata.naming_convention
    try:
        change.start(lambda metadata: all_of(metadata, 9), {"users": [{"id": 7, "a": "A", "n": 1}]})
        with change.project.engine.begin() as connection:
            connection.exec_driver_sql("CREATE TRIGGER t AFTER INSERT ON users BEGIN SELECT 1; END")
            connection.exec_driver_sql("CREATE VIEW v AS SELECT a FROM users")
            connection.exec_driver_sql("INSERT INTO users (id) VALUES (9)")
            connection.exec_driver_sql("DELETE FROM users WHERE id = 9")
        before = there()
        change.go(lambda metadata: all_of(metadata, 19))
        assert there() == before
        change.go(lambda metadata: all_of(metadata, 19, "o"), "rename=users.n:o")
        assert len(there()) == len(before) and "CHECK (o > 0 AND a <> 'x:y')" in str(there())
        with change.project.engine.begin() as connection:
            connection.exec_driver_sql("INSERT INTO users (a) VALUES ('B')")
        assert change.rows("SELECT id, a, o FROM users") == [(7, "A", 1), (10, "B", None)]
    finally:
        change.project.metadata.naming_convention = convention


@case
def values_become_those_of_another_type(change: Change) -> None:
    """SQLite takes a time for a number, and PostgreSQL wants to be told how."""
    kind, time = sa.Enum("a", "b", name="kind"), datetime(2026, 1, 2)
    changes: list[tuple[Any, Any, Any, Any, Any]] = [
        (sa.Date, sa.DateTime, None, time.date(), time),
        (sa.DateTime, sa.Date, None, time, time.date()),
        (String(30), sa.DateTime, None, "2026-01-02 00:00:00.000000", time),
        (String(9), Integer, "2", "1", 1),
        (Integer, String(9), "2", 1, "1"),
        (sa.Boolean, Integer, sa.true(), True, 1),
        (sa.Boolean, sa.SmallInteger, sa.true(), True, 1),
        (sa.Numeric(4, 1), sa.Boolean, None, 1, True),
        (String(9), kind, "a", "b", "b"),
        (kind, String(9), "a", "b", "b"),
    ]
    for number, (one, other, default, value, found) in enumerate(changes):
        name = f"order_{number}"

        def of(metadata: MetaData, type_: Any, name: str = name, default: Any = default) -> None:
            is_number = type_ in (Integer, sa.SmallInteger)
            default = "1" if is_number and default is not None else default
            table(name, metadata, Column("from", type_, server_default=default))

        change.project.forget()
        change.start(partial(of, type_=one), {name: [{"from": value}]})
        change.go(partial(of, type_=other))
        with change.project.engine.connect() as connection:
            assert (
                connection.scalar(sa.select(change.project.metadata.tables[name].c["from"]))
                == found
            )


def typed(metadata: MetaData, type_: Any) -> None:
    table("t", metadata, Column("a", type_))


@case
def values_that_do_not_fit_another_type(change: Change) -> None:
    change.start(lambda m: table("t", m, Column("a", String(9))), {"t": [{"a": "x"}]})
    change.define(lambda m: table("t", m, Column("a", Integer)))
    assert "t.a becomes INTEGER: a value changes, or does not fit" in change.autogenerate()
    enum = sa.Enum("a", "b", name="ab")
    for kind, value, new in (
        (String(9), "x", enum),
        (sa.Boolean(), True, enum),
        (sa.DateTime(), datetime(2026, 1, 2, 3), sa.Date()),
    ):
        change.project.forget()
        change.start(partial(typed, type_=kind), {"t": [{"a": value}]})
        change.define(partial(typed, type_=new))
        assert "a value changes, or does not fit" in change.autogenerate()
    if change.dialect == "postgresql":
        change.project.forget()
        change.start(lambda m: table("lists", m, Column("a", sa.Text)), {"lists": [{"a": "{x}"}]})
        change.go(lambda m: table("lists", m, Column("a", sa.ARRAY(sa.Text))))
        assert change.rows("SELECT a FROM lists") == [(["x"],)]
    if change.dialect == "postgresql":  # which has no such cast
        change.project.forget()
        change.start(lambda m: table("dates", m, Column("a", Integer)))
        change.define(lambda m: table("dates", m, Column("a", sa.Date)))
        assert "dates.a becomes DATE: a value changes, or does not fit" in change.autogenerate()


@case
def schemas(change: Change) -> None:
    """Tables in another schema, with keys to and from it, an Enum there, and a rename."""
    if change.dialect != "postgresql":
        return

    def shops(metadata: MetaData, name: str, *values: str) -> None:
        users(metadata)
        kind: Column[Any] = Column("kind", sa.Enum(*values, name="kind", schema="shop"))
        user: Column[Any] = Column("user_id", ForeignKey("users.id"), index=True)
        parent: Column[Any] = Column("parent_id", ForeignKey(f"shop.{name}.id"))
        table(name, metadata, kind, user, parent, schema="shop")
        table("visits", metadata, Column("shop_id", ForeignKey(f"shop.{name}.id")))

    change.start(users, {"users": [{"id": 1}]})
    change.go(lambda metadata: shops(metadata, "shops", "a", "b"))
    with change.project.engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO shop.shops VALUES (1, 'a', 1, 1)")
        connection.exec_driver_sql("INSERT INTO visits VALUES (1, 1)")
    change.go(lambda metadata: shops(metadata, "shops", "c", "a", "b"))
    change.go(lambda m: shops(m, "stores", "c", "a", "b"), "rename=shop.shops:stores")
    assert change.rows("SELECT id, kind, user_id, parent_id FROM shop.stores") == [(1, "a", 1, 1)]
    change.go(users, "drop=most")
    with change.project.engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA shop CASCADE")


@case
def defaults_that_are_not_read(change: Change) -> None:
    """SQLAlchemy reads neither bits nor most expressions, and a changed column would lose them."""
    if change.dialect != "mysql":
        return

    def flags(metadata: MetaData, bit: str = "b'1'", name: str = "a", **more: Any) -> None:
        texts = Column("b", String(20), server_default=sa.func.concat(name, "it's"), **more)
        days = sa.text("(now() + interval 1 day)")
        times = Column("c", sa.DateTime, server_default=days, **more)
        flag = Column(name, mysql.BIT(1), server_default=sa.text(bit), **more)
        table("flags", metadata, flag, texts, times)

    def made_now(*names: str) -> list[Any]:
        """Return what a new row gets."""
        with change.project.engine.connect() as connection:
            connection.exec_driver_sql("INSERT INTO flags () VALUES ()")
            row = connection.exec_driver_sql("SELECT * FROM flags ORDER BY id DESC").mappings()
            (found,) = row.fetchmany(1)
        return [found[name] for name in names]

    change.start(flags, {"flags": [{"id": 1}]})
    command.check(change.config())
    change.go(lambda metadata: flags(metadata, nullable=False, comment="a b"))
    assert made_now("a", "b") == [b"\x01", "ait's"]
    change.go(lambda metadata: flags(metadata, "b'0'"))
    assert "server_default" in change.revision
    change.go(lambda metadata: flags(metadata, "b'0'", "d", comment="x"), "rename=flags.a:d")
    assert made_now("d", "b") == [b"\x00", "dit's"]
    assert None not in made_now("c")


@case
def what_only_mariadb_has(change: Change) -> None:
    """Enums and texts with a character set, and defaults by a function."""
    if not getattr(change.project.engine.dialect, "is_mariadb", False):
        return

    def wide(metadata: MetaData, **options: str) -> None:
        table(
            "users",
            metadata,
            Column("kind", mysql.ENUM("a", "b", **options), server_default="a"),
            Column("token", String(40), server_default=sa.text("(uuid())")),
            Column("data", sa.JSON, server_default=sa.text("(json_object())")),
            Column("at", mysql.TIMESTAMP(fsp=3), server_default=sa.func.now(3)),
        )

    change.start(wide, {"users": [{"kind": "b"}]})
    change.go(lambda m: wide(m, charset="latin1", collation="latin1_swedish_ci"))
    change.go(lambda m: wide(m, charset="utf8mb4", collation="utf8mb4_bin"))
    assert change.rows("SELECT kind, data FROM users") == [("b", "{}")]
    change.go(lambda m: table("users", m, Column("data", sa.JSON, nullable=False)), "drop=most")
    insert = partial(change.rows, "INSERT INTO users (data) VALUES ('x')")
    assert is_refused(sqlalchemy.exc.DBAPIError, insert)  # it checks the value


class Unread(sa.types.UserDefinedType[Any]):
    """A type that SQLAlchemy cannot read from the database."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "PG_LSN"


@compiles(Unread, "mysql")
def write_unread(*_: Any, **__: Any) -> str:
    return "INET6"


@case
def column_gets_a_type_that_is_not_read(change: Change) -> None:
    if change.dialect == "sqlite":
        return  # it takes any word for a type
    if change.dialect == "mysql" and not getattr(
        change.project.engine.dialect, "is_mariadb", False
    ):
        return  # it has none that SQLAlchemy does not know
    value = "0/1F" if change.dialect == "postgresql" else "::1"
    change.start(
        lambda metadata: table("users", metadata, Column("at", String(40))),
        {"users": [{"at": value}]},
    )
    change.go(lambda metadata: table("users", metadata, Column("at", Unread())))
    change.go(lambda metadata: table("users", metadata, Column("at", Unread(), nullable=False)))
    assert change.rows("SELECT at FROM users") == [(value,)]
    change.define(users)
    assert is_refused(CommandError, lambda: command.check(change.config()))


@case
def what_differs_in_words(change: Change) -> None:
    """A default of one's own, and a type that SQLAlchemy cannot read."""
    change.start(users)
    describe = next(m for name, m in sys.modules.items() if name.endswith(".autogenerate.describe"))

    def words(step: ops.MigrateOperation) -> list[str]:
        return [*describe.described(ops.UpgradeOps([step]), change.project.engine.dialect)]

    unread: Column[Any] = Column("place", sa.types.NullType())
    dropped = ops.DropColumnOp.from_column_and_tablename(None, "users", unread)
    assert words(dropped) == ["- users.place: unknown type"]
    at = ops.AlterColumnOp("users", "at", modify_server_default=sa.DefaultClause(Now()))
    now = "now(3)" if change.dialect == "mysql" else "CURRENT_TIMESTAMP"
    assert words(at) == [f"users.at: default None -> {now}"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("package")
    parser.add_argument("cases", nargs="*", help="parts of their names")
    options = parser.parse_args()
    logging.disable(logging.INFO)
    warnings.simplefilter("ignore", SAWarning)
    project = Project(options.package)
    failed = 0
    for name, run in CASES.items():
        if options.cases and not any(part in name for part in options.cases):
            continue
        change = Change(project)
        try:
            run(change)
        except Exception:  # noqa: BLE001 - whatever it is, the next case is run
            failed += 1
            print(f"=== {name} failed\n{change.revision}\n{traceback.format_exc()}")
        else:
            print(f"{name} passed")
    raise SystemExit(f"{failed} cases failed" if failed else 0)


if __name__ == "__main__":
    main()
