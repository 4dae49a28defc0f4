"""A database or a schema for each of 50 customers, as the documentation shows."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import servers
from kit import FIRST_REVISION, Project
from recipes import HISTORY, follow, recipe, section
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, inspect, text

pytestmark = pytest.mark.slow

CUSTOMERS = ["ada", "bob", "eve", *(f"c{number:02}" for number in range(47))]


@contextmanager
def server(dialect: str, folder: Path) -> Iterator[tuple[URL, dict[str, Engine]]]:
    """Make what the app gets as URL, and the empty database or schema of each customer."""
    if dialect == "sqlite":
        url = URL.create("sqlite", database=str(folder / "default.db"))
        yield (
            url,
            {
                name: create_engine(
                    url.set(database=str(folder / f"{name}.db")), poolclass=NullPool
                )
                for name in CUSTOMERS
            },
        )
        return
    with servers.database(dialect) as url:
        servers.query(url, "; ".join(f"CREATE SCHEMA {name}" for name in CUSTOMERS))
        yield (
            url,
            {
                name: create_engine(
                    url, connect_args={"options": f"-csearch_path={name}"}, poolclass=NullPool
                )
                for name in CUSTOMERS
            },
        )


def edit_env(project: Project, dialect: str) -> None:
    """Edit env.py as the section says."""
    blocks = re.findall(
        r"^```python\n(.*?)^```$", section("A database for each customer"), re.MULTILINE | re.DOTALL
    )
    migrate, online, customers, sqlite, postgresql = blocks
    env = project.folder / project.package / "migrations" / "env.py"
    text = env.read_text(encoding="utf-8")
    before, _, rest = text.partition("def run_migrations_online()")
    _, end, after = rest.partition("\n\nwith kit.app_context")
    engine_of = sqlite if dialect == "sqlite" else postgresql
    text = f"{before}{customers}\n\n{engine_of}\n\n{migrate}\n\n{online}{end}{after}"
    imports = "from pathlib import Path\n" if dialect == "sqlite" else ""
    imports = f"import logging\n{imports}"
    names = "Engine, create_engine" if dialect == "sqlite" else "Engine, NullPool, create_engine"
    text = text.replace("from typing import Any\n", f"{imports}from typing import Any\n")
    text = text.replace(
        "from alembic import context\n",
        "from alembic import context\nfrom alembic.util import CommandError\n",
    )
    text = text.replace(
        "from sqlalchemy.engine import",
        f"from sqlalchemy import {names}\nfrom sqlalchemy.engine import",
    )
    env.write_text(text, encoding="utf-8")
    project.python("-m", "ruff", "check", "--no-cache")
    project.python("-m", "ruff", "format", "--check", "--no-cache")


def at(engines: dict[str, Engine]) -> dict[str, str]:
    """Return the revision that each customer is at, who has all rows."""
    found = {}
    for name, engine in engines.items():
        with engine.connect() as connection:
            assert scalar(connection, "SELECT count(*) FROM posts") == 2
            assert scalar(connection, "SELECT count(*) FROM users") == 2
            found[name] = str(scalar(connection, "SELECT version_num FROM alembic_version"))
    return found


def scalar(connection: Connection, sql: str) -> object:
    return connection.execute(text(sql)).scalar()


def in_each(engines: dict[str, Engine], *statements: str) -> None:
    for engine in engines.values():
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))


@pytest.mark.parametrize("dialect", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def test_fifty_customers(dialect: str, generic: Project, tmp_path: Path) -> None:
    edit_env(generic, dialect)
    generic.set_config("CUSTOMERS", repr(CUSTOMERS))
    add, drop = "ALTER TABLE posts ADD body VARCHAR", "ALTER TABLE posts DROP body"
    second = generic.add_revision(f"op.execute({add!r})", f"op.execute({drop!r})")
    generic.add_column()
    folder = tmp_path / "databases"
    folder.mkdir()
    with server(dialect, folder) as (url, engines):
        environment = servers.at(url)
        generic.alembic("upgrade", FIRST_REVISION, env=environment)
        in_each(
            engines,
            "INSERT INTO users (id, name) VALUES (1, 'Ada'), (2, 'Bob')",
            "INSERT INTO posts (id, title, author_id) VALUES (1, 'One', 1), (2, 'Two', 2)",
        )
        bob = {"bob": engines["bob"]}
        in_each(bob, add)

        done = generic.alembic("upgrade", "head", env=environment, status=None)
        assert done.stdout == "FAILED: Left to do: bob.\n"
        assert "bob is left to do" in done.stderr
        assert re.search("duplicate ?column", done.stderr, re.IGNORECASE)
        assert at(engines) == {name: second for name in CUSTOMERS} | {"bob": FIRST_REVISION}

        in_each(bob, drop)
        _, *commands = recipe("A database for each customer").splitlines()
        follow("\n".join(reversed(commands)), generic.folder, {"default": url})
        assert set(at(engines).values()) == {second}

        generic.alembic("downgrade", "base", env=environment)
        for engine in engines.values():
            assert {*inspect(engine).get_table_names()} == {"alembic_version", "alembic_log"}
        generic.alembic("upgrade", "head", env=environment)


def test_recipes_are_short() -> None:
    """At most ten lines of commands, with those that a recipe begins with."""
    sections = re.findall(r"^## (.*)$", HISTORY.read_text(encoding="utf-8"), re.MULTILINE)
    for name in sections:
        assert len(recipe(name).splitlines()) <= 10
