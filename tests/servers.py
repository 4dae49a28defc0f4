"""Databases on real servers, made for one test and dropped after it."""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, inspect, make_url, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

# By dialect: the variable that says where the server is, and where it is without that.
SERVERS = {
    "postgresql": ("TEST_POSTGRESQL_URL", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"),
    "mysql": ("TEST_MYSQL_URL", "mysql+pymysql://root@127.0.0.1:3306/"),
}
# The sessions in a database.
SESSIONS = {
    "postgresql": """
        SELECT pid FROM pg_stat_activity WHERE datname = :name AND backend_type = 'client backend'
    """,
    "mysql": "SELECT id FROM information_schema.processlist WHERE db = :name",
}


@cache
def engine(url: URL) -> Engine:
    """Return an engine that is made once: when it connects for the first time it asks a lot."""
    return create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)


@contextmanager
def connect(url: URL) -> Iterator[Connection]:
    """Yield a connection in autocommit mode that is not pooled."""
    with engine(url).connect() as connection:
        yield connection


@cache
def server(dialect: str) -> URL:
    """Return the URL of a server.

    Without it the test is skipped, but fails where ``CI`` is set, unless the variable is set to
    nothing: that says there is none on purpose.
    """
    variable, default = SERVERS[dialect]
    value = os.environ.get(variable, default)
    if not value:
        pytest.skip(f"{variable} is empty")
    url = make_url(value)
    try:
        with connect(url):
            pass
    except (SQLAlchemyError, ImportError) as error:
        message = f"no {dialect} server at {url!r}, which {variable} can change: {error}"
        if "CI" in os.environ:
            pytest.fail(message)
        pytest.skip(message)
    return url


@contextmanager
def database(dialect: str, folder: Path = Path()) -> Iterator[URL]:
    """Make a database with a random name, yield its URL, and drop it.

    :param folder: of the file of SQLite, which whoever connects first makes
    """
    name = f"kit_{secrets.token_hex(6)}"
    if dialect == "sqlite":
        yield URL.create("sqlite", database=(folder / f"{name}.db").as_posix())
        return
    url = server(dialect)
    query(url, f"CREATE DATABASE {name}")
    try:
        yield url.set(database=name)
    finally:
        if dialect == "mysql":  # else it waits for ever for a process that a failed test has left
            for session in query(url, SESSIONS[dialect], name=name):
                with suppress(DBAPIError):
                    query(url, f"KILL {session}")
        force = " WITH (FORCE)" if dialect == "postgresql" else ""
        query(url, f"DROP DATABASE {name}{force}")


def wait_until_left(url: URL) -> None:
    """Wait until a server has seen that all who used a database are gone, as those who were killed."""
    kind = url.get_backend_name()
    for _ in range(1200):
        if kind == "sqlite" or not query(server(kind), SESSIONS[kind], name=url.database):
            return
        time.sleep(0.05)
    raise AssertionError(f"somebody still uses {url!r}")


def at(url: URL, variable: str = "DATABASE_URL") -> dict[str, str]:
    """Return the environment in which an app uses a database."""
    return {variable: url.render_as_string(hide_password=False)}


def query(url: URL, sql: str, **parameters: Any) -> list[Any]:
    """Return the first column of the rows of a statement, if it has any."""
    with connect(url) as connection:
        result = connection.execute(text(sql), parameters)
        return [row[0] for row in result] if result.returns_rows else []


def tables(url: URL) -> set[str]:
    """Return the names of the tables of a database, without the log that comes with each."""
    with connect(url) as connection:
        names = inspect(connection).get_table_names()
        return {name for name in names if not name.startswith("alembic_log")}


@contextmanager
def account(url: URL, password: str) -> Iterator[URL]:
    """Make an account of MySQL with a password that may use a database; yield the URL with it."""
    name = f"kit_{secrets.token_hex(6)}"
    query(url, f"CREATE USER {name}@'%' IDENTIFIED BY :password", password=password)
    query(url, f"GRANT ALL ON {url.database}.* TO {name}@'%'")
    try:
        yield url.set(username=name, password=password)
    finally:
        query(url, f"DROP USER {name}@'%'")
