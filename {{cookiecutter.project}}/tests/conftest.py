"""Fixtures: apps with databases of their own."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from alembic import command
from flask import Flask
from flask.testing import FlaskClient

from {{ cookiecutter.package }} import create_app
from {{ cookiecutter.package }}.db import db
from {{ cookiecutter.package }}.migrations import alembic_config


def app_in(folder: Path) -> Iterator[Flask]:
    """Yield an app whose databases are in that folder, and close them afterwards."""
    app = create_app(
        {
            "TESTING": True,
            "SQLALCHEMY_DATABASE_URI": f"sqlite:///{folder / 'default.db'}",
{%- if cookiecutter.variant == "multidb" %}
            "SQLALCHEMY_BINDS": {"auth": f"sqlite:///{folder / 'auth.db'}"},
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
    yield from app_in(tmp_path)


@pytest.fixture(scope="session")
def migrated_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """An app that is migrated once, for all tests."""
    for app in app_in(tmp_path_factory.mktemp("databases")):
        with app.app_context():
            command.upgrade(alembic_config(), "head")
        yield app


@pytest.fixture
def app(migrated_app: Flask) -> Iterator[Flask]:
    """The migrated app. Whatever a test writes, and commits, is rolled back at its end."""
    with migrated_app.app_context():
        engines = list(db.engines.values())
    with ExitStack() as stack:
        connections = [stack.enter_context(engine.connect()) for engine in engines]
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for engine, connection in zip(engines, connections, strict=True):
            transaction = connection.begin()
            connection.begin_nested()  # SQLite would commit the outermost savepoint
            stack.callback(transaction.rollback)
            # Sessions get this connection, and a savepoint in it where they begin a transaction.
            patch.setattr(engine, "connect", lambda connection=connection: connection)
            patch.setattr(connection, "in_transaction", lambda: False)
            patch.setattr(connection, "begin", connection.begin_nested)
            patch.setattr(connection, "close", lambda: None)
        yield migrated_app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client of the migrated app."""
    return app.test_client()
