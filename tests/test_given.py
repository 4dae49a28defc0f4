"""A connection that the caller of Alembic gives is migrated, and nothing else."""

import textwrap
from pathlib import Path

import pytest
from kit import FIRST_REVISION, Project
from servers import database, query, tables
from sqlalchemy import URL, make_url

APPS = "sqlite:///apps.db"


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


def test_url_that_a_caller_sets_is_migrated(generic: Project, tmp_path: Path) -> None:
    """As alembic-verify does; one in alembic.ini means nothing, for the app knows its databases."""
    ini = generic.folder / "alembic.ini"
    text = ini.read_text(encoding="utf-8")
    unread = "[alembic]\nsqlalchemy.url = sqlite:///%(here)s/unread.db"
    ini.write_text(text.replace("[alembic]", unread), encoding="utf-8")
    url = make_url(f"sqlite:///{tmp_path / '5%.db'}")
    code = """
        text = engine.url.render_as_string(hide_password=False).replace("%", "%%")
        config.set_main_option("sqlalchemy.url", text)
        command.upgrade(config, "head")
        command.check(config)
    """
    run(generic, url, code)
    assert tables(url) == MADE
    generic.alembic("upgrade", "head")
    assert not (generic.folder / "unread.db").exists()


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


@pytest.mark.parametrize(
    ("kind", "level", "kept"),
    [
        ("postgresql", "READ COMMITTED", "."),
        ("postgresql", "AUTOCOMMIT", ", except what is committed already."),
        pytest.param("mysql", "READ COMMITTED", ", except what", marks=pytest.mark.slow),
    ],
)
def test_failure_in_a_transaction_of_the_caller_says_what_is_in_it(
    generic: Project, tmp_path: Path, kind: str, level: str, kept: str
) -> None:
    failing = "from alembic.util import CommandError\nraise CommandError('no')"
    generic.add_revision(f'op.create_table("t", sa.Column("a", sa.Integer))\n{failing}')
    code = f"""
        with engine.connect().execution_options(isolation_level={level!r}) as connection:
            connection.begin()
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                print(error)
    """
    with database(kind, tmp_path) as url:
        assert f"Its changes are in the caller's transaction{kept}" in run(generic, url, code)
        assert ("t" in tables(url)) == (kept != ".")


def test_edited_revision_is_named_on_a_connection_in_autocommit(
    generic: Project, tmp_path: Path
) -> None:
    generic.add_revision('op.create_table("t", sa.Column("a", sa.Integer))')
    code = """
        import logging, sys
        logging.basicConfig(stream=sys.stdout)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.begin()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    """
    with database("postgresql", tmp_path) as url:
        run(generic, url, code)
        path = next(generic.versions.glob("*r001*"))
        path.write_text(path.read_text(encoding="utf-8") + "\nX = 1\n", encoding="utf-8")
        assert "Revision r001 was edited" in run(generic, url, code)


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
    assert "is not for 'auth'" in run(multidb, url, code)
    assert tables(url) == {"posts", "alembic_version"}


@pytest.mark.slow
def test_transaction_of_the_caller_that_a_revision_commits_without_asserts(
    generic: Project, tmp_path: Path
) -> None:
    """``python -O`` leaves out the assertions of Alembic, too."""
    generic.add_revision('op.create_table("t", sa.Column("a", sa.Integer))\nop.get_bind().commit()')
    url = make_url(f"sqlite:///{tmp_path / 'given.db'}")
    code = f"""
from alembic import command
from sqlalchemy import create_engine
from {generic.package} import create_app
from {generic.package}.migrations import alembic_config
config = alembic_config()
with create_app().app_context(), create_engine({str(url)!r}).connect() as connection:
    connection.begin()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
"""
    generic.python("-O", "-c", code)
    assert query(url, "SELECT version_num FROM alembic_version") == ["r001"]


CONFTEST = """
import os
from argparse import Namespace
import pytest
from alembic.config import Config
from pytest_alembic.config import Config as Settings
from pytest_alembic.plugin.fixtures import alembic_runner
from pytest_alembic.tests import *
from pytest_alembic.tests.experimental import test_downgrade_leaves_no_trace
from sqlalchemy import create_engine, text

@pytest.fixture(params={names!r})
def alembic_config(request):
    config = Config("alembic.ini", cmd_opts=Namespace(x=[f"database={{request.param}}"]))
    # Its downgrade leaves the log.
    return Settings(alembic_config=config, minimum_downgrade_revision={first!r})

@pytest.fixture
def alembic_engine():
    engine = create_engine(os.environ["GIVEN_URL"])
    yield engine
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
"""


@pytest.mark.slow
def test_tests_of_pytest_alembic(project: Project) -> None:
    """All but the one that looks for a MetaData of SQLAlchemy 1.4 in modules."""
    pytest.importorskip("pytest_alembic")
    project.alembic("upgrade", "head")
    more = """
        op.create_table("more", sa.Column("id", sa.Integer, primary_key=True))
        op.drop_table("more")
    """
    project.add_revision(more)
    before = {name: project.schema(name) for name in project.databases}
    path = project.folder / "tests" / "test_theirs.py"
    names = [*project.databases]
    path.write_text(CONFTEST.format(names=names, first=FIRST_REVISION), encoding="utf-8")
    options = ("-q", "-p", "no:pytest_alembic", "-o", "markers=alembic")
    with database("postgresql", project.folder) as url:
        given = {"GIVEN_URL": url.render_as_string(hide_password=False)}
        done = project.python("-m", "pytest", *options, str(path), env=given)
    assert f"{5 * len(names)} passed" in done.stdout, done.stdout
    assert {name: project.schema(name) for name in project.databases} == before
