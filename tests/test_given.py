"""A connection that the caller of Alembic gives is migrated, and nothing else."""

import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from kit import Project
from servers import at, tables
from sqlalchemy import URL, make_url
from test_guard import database

APPS = "sqlite:///apps.db"


@pytest.fixture(params=["sqlite", "postgresql", "mysql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[URL]:
    """An empty database of each kind in turn."""
    with database(request.param, tmp_path) as url:
        yield url


def run(project: Project, url: URL, code: str) -> str:
    """Run code that has ``config``, and ``engine`` of a database that is not the app's."""
    start = f"""
from alembic import command
from alembic.util import CommandError
from sqlalchemy import create_engine, inspect
from {project.package} import create_app
from {project.package}.migrations import alembic_config

engine = create_engine({url.render_as_string(hide_password=False)!r})
app = create_app()
app.app_context().push()
config = alembic_config()
"""
    done = project.python("-c", start + textwrap.dedent(code), env={"DATABASE_URL": APPS})
    assert "users" not in apps_tables(project)
    return done.stdout


def apps_tables(project: Project) -> set[str]:
    return tables(make_url(f"sqlite:///{project.folder / 'instance' / 'apps.db'}"))


MADE = {"users", "posts", "alembic_version"}


def test_given_engine_is_migrated(generic: Project, url: URL) -> None:
    run(generic, url, 'config.attributes["connection"] = engine\ncommand.upgrade(config, "head")')
    assert tables(url) == MADE


def test_given_connection_is_migrated_and_left_open(generic: Project, url: URL) -> None:
    code = """
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            command.check(config)
            command.downgrade(config, "base")
            command.upgrade(config, "head")
            assert not connection.closed
    """
    run(generic, url, code)
    assert tables(url) == MADE


def test_transaction_of_the_caller_is_not_ended(generic: Project, url: URL) -> None:
    code = """
        with engine.connect() as connection, connection.begin() as transaction:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            assert transaction.is_active
            transaction.rollback()
    """
    run(generic, url, code)
    if url.get_backend_name() == "postgresql":
        assert tables(url) == set()


def test_failure_in_the_transaction_of_the_caller_says_whose_it_is(
    generic: Project, tmp_path: Path
) -> None:
    with database("postgresql", tmp_path) as url:
        generic.add_revision("1 / 0")
        code = """
            import logging
            logging.basicConfig()
            with engine.connect() as connection, connection.begin() as transaction:
                config.attributes["connection"] = connection
                try:
                    command.upgrade(config, "head")
                except ZeroDivisionError:
                    print("failed")
        """
        assert run(generic, url, code) == "failed\n"


def test_one_connection_for_several_databases_is_refused(multidb: Project, tmp_path: Path) -> None:
    url = make_url(f"sqlite:///{tmp_path / 'given.db'}")
    code = """
        config.attributes["connection"] = engine
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            print(error)
        config.attributes["connection"] = {"default": engine, "auth": create_engine("sqlite://")}
        command.upgrade(config, "head")
    """
    assert "has no connection for 'auth'" in run(multidb, url, code)
    assert tables(url) == {"posts", "alembic_version"}


@pytest.mark.slow
def test_default_tests_of_pytest_alembic(generic: Project, tmp_path: Path) -> None:
    pytest.importorskip("pytest_alembic")
    url = make_url(f"sqlite:///{tmp_path / 'app.db'}")
    generic.alembic("upgrade", "head", env=at(url))
    before = tables(url)
    test = """
        import pytest
        from pytest_alembic.plugin.fixtures import alembic_config, alembic_runner
        from pytest_alembic.tests import *
        from sqlalchemy import create_engine

        @pytest.fixture
        def alembic_engine(tmp_path):
            return create_engine(f"sqlite:///{tmp_path / 'test.db'}")
    """
    path = generic.folder / "tests" / "test_default.py"
    path.write_text(textwrap.dedent(test), encoding="utf-8")
    done = generic.python(
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:pytest_alembic",
        "-o",
        "markers=alembic",
        str(path),
        env=at(url),
    )
    assert "4 passed" in done.stdout, done.stdout
    assert tables(url) == before
