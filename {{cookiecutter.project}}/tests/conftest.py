"""Fixtures: apps with databases of their own."""

import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from alembic import command
from dotenv import load_dotenv
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import NullPool, create_engine, make_url, text

from {{ cookiecutter.package }} import create_app
from {{ cookiecutter.package }}.config import with_driver
from {{ cookiecutter.package }}.db import db
from {{ cookiecutter.package }}.migrations import alembic_config


@contextmanager
def database(folder: Path, name: str) -> Iterator[str]:
    """Yield the URL of an empty database: on the server of ``TEST_DATABASE_URL``, else a file."""
    load_dotenv(Path(__file__).parents[1] / ".env")
    server = os.environ.get("TEST_DATABASE_URL")
    if not server:
        yield f"sqlite:///{folder / name}.db"
        return
    server = with_driver(server)
    url = make_url(server).set(database=f"test_{name}_{secrets.token_hex(6)}")
    engine = create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {url.database}"))
        try:
            yield url.render_as_string(hide_password=False)
        finally:
            connection.execute(text(f"DROP DATABASE {url.database}"))


@contextmanager
def app_in(folder: Path) -> Iterator[Flask]:
    """Yield an app with empty databases, and drop them afterwards."""
    with ExitStack() as stack:
        app = create_app(
            {
                "TESTING": True,
                "SQLALCHEMY_DATABASE_URI": stack.enter_context(database(folder, "default")),
{%- if cookiecutter.variant == "multidb" %}
                "SQLALCHEMY_BINDS": {"auth": stack.enter_context(database(folder, "auth"))},
{%- endif %}
            }
        )
        yield app
        with app.app_context():
            for engine in db.engines.values():
                engine.dispose()


@pytest.fixture
def empty_app(tmp_path: Path) -> Iterator[Flask]:
    """An app before its first migration."""
    with app_in(tmp_path) as app:
        yield app


@pytest.fixture(scope="session")
def migrated_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """An app that is migrated once, for all tests."""
    with app_in(tmp_path_factory.mktemp("databases")) as app:
        with app.app_context():
            command.upgrade(alembic_config(), "heads")
        yield app


@pytest.fixture
def app(migrated_app: Flask) -> Iterator[Flask]:
    """The migrated app. What a test writes is rolled back at its end, even if it commits."""
    with migrated_app.app_context():
        engines = list(db.engines.values())
    with ExitStack() as stack:
        connections = [stack.enter_context(engine.connect()) for engine in engines]
        for connection in connections:
            stack.callback(connection.begin().rollback)
            connection.begin_nested()  # SQLite would commit the outermost savepoint
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for engine, connection in zip(engines, connections, strict=True):
            # Sessions get this connection, and a savepoint in it where they begin a transaction.
            patch.setattr(engine, "connect", lambda connection=connection: connection)
            patch.setattr(connection, "in_transaction", lambda: False)
            patch.setattr(connection, "get_transaction", lambda: None)
            patch.setattr(connection, "begin", connection.begin_nested)
            patch.setattr(connection, "commit", lambda: None)
            patch.setattr(connection, "close", lambda: None)
            # SQLAlchemy rolls back after an error, as it sees no transaction: a savepoint does.
            patch.setattr(engine.dialect, "do_rollback", lambda _: None)
        yield migrated_app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client of the migrated app."""
    return app.test_client()
