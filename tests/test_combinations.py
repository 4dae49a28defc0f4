"""Every combination of the choices, from rendering to downgrading, on its own kind of database."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import servers
from kit import Project
from servers import at
from sqlalchemy import make_url


@pytest.fixture
def environment(combined: Project) -> Iterator[dict[str, str]]:
    """The environment in which a project uses empty databases of its own kind."""
    variables = {"default": "DATABASE_URL", "auth": "AUTH_DATABASE_URL"}
    with ExitStack() as stack:
        environment: dict[str, str] = {}
        for name in combined.databases:
            url = stack.enter_context(servers.database(combined.database, combined.folder))
            environment |= at(url, variables[name])
        yield environment


def test_own_tests_pass_on_its_kind_of_database(combined: Project) -> None:
    environment = {}
    if combined.database != "sqlite":
        environment = at(servers.server(combined.database), "TEST_DATABASE_URL")
    combined.python("-m", "pytest", "-q", env=environment)


# Errors that the app handles, and commits by hand, in tests that run one after the other.
TESTS = """
import pytest
from flask import Flask
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from PACKAGE.db import db
from PACKAGE.models import User


def add(name: str) -> None:
    db.session.add(User(name=name))
    db.session.commit()


def names() -> list[str]:
    return list(db.session.scalars(select(User.name).order_by(User.name)))


@pytest.mark.parametrize("time", range(2))
def test_session(app: Flask, time: int) -> None:
    with app.app_context():
        add("ada")
        with pytest.raises(IntegrityError):
            add("ada")
        db.session.rollback()
        add("bob")
        with pytest.raises(IntegrityError), db.session.begin_nested():
            db.session.add(User(name="ada"))
        db.session.commit()
    with app.app_context():
        assert names() == ["ada", "bob"]


@pytest.mark.parametrize("time", range(2))
def test_connection(app: Flask, time: int) -> None:
    with app.app_context():
        engine, ada = db.engines.get("auth", db.engine), insert(User).values(name="ada")
        with engine.begin() as connection:
            connection.execute(ada)
        with pytest.raises(IntegrityError), engine.begin() as connection:
            connection.execute(ada)
        with engine.connect() as connection:
            connection.execute(insert(User).values(name="bob"))
            connection.commit()
        assert names() == ["ada", "bob"]
"""


def test_error_of_the_database_in_a_test_undoes_no_more_than_it_has_to(combined: Project) -> None:
    tests = TESTS.replace("PACKAGE", combined.package)
    (combined.folder / "tests" / "test_more.py").write_text(tests, encoding="utf-8")
    environment = {}
    if combined.database != "sqlite":
        environment = at(servers.server(combined.database), "TEST_DATABASE_URL")
    combined.python("-m", "pytest", "-q", "tests/test_more.py", env=environment)


@pytest.mark.parametrize("database", ["postgresql", pytest.param("mysql", marks=pytest.mark.slow)])
def test_project_for_a_server_works_without_one(
    rendered: Callable[..., Project], variant: str, database: str, tmp_path: Path
) -> None:
    project = rendered(variant=variant, database=database).copy(tmp_path)
    project.python("-m", "pytest", "-q")
    variables = {"default": "DATABASE_URL", "auth": "AUTH_DATABASE_URL"}
    files = {variable: f"sqlite:///{name}.db" for name, variable in variables.items()}
    for command in ("upgrade head", "check", "downgrade base"):
        project.alembic(*command.split(), env=files)
    for name in project.databases:
        assert project.tables(name) == {"alembic_version"}


def test_own_tests_use_the_server_that_is_named(generic: Project) -> None:
    gone = {"TEST_DATABASE_URL": "postgres://postgres@127.0.0.1:1/postgres"}
    assert "refused" in generic.python("-m", "pytest", env=gone, status=None).stdout


def test_model_that_changes_is_migrated_up_and_down(
    combined: Project, environment: dict[str, str]
) -> None:
    combined.alembic("upgrade", "head", env=environment)
    combined.add_column(column="body: Mapped[str | None] = mapped_column(String(500))")
    revision = combined.new_revision("--autogenerate", "-m", "body", env=environment)
    assert revision.count("sa.Column('body', sa.String(length=500)") == 1
    combined.alembic("upgrade", "head", env=environment)
    combined.alembic("check", env=environment)
    combined.alembic("downgrade", "base", env=environment)
    for url in environment.values():
        assert servers.tables(make_url(url)) == {"alembic_version"}


@pytest.mark.parametrize("scheme", ["mysql", "mariadb", "mysql+pymysql"])
def test_url_of_mysql_in_every_spelling(generic: Project, scheme: str) -> None:
    with servers.database("mysql") as url:
        if scheme == "mariadb" and "MariaDB" not in servers.query(url, "SELECT version()")[0]:
            pytest.skip("the server is MySQL")
        spelled = at(url)["DATABASE_URL"].replace(url.drivername, scheme)
        generic.alembic("upgrade", "head", env={"DATABASE_URL": spelled})
        assert "posts" in servers.tables(url)
