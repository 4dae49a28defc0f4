"""What is said after a failure is true, whatever the databases and the engines are."""

import itertools
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import servers
from kit import ENVIRONMENT, FIRST_REVISION, Project, run
from servers import at, query, tables
from sqlalchemy import URL, make_url

KINDS = ("sqlite", "postgresql", "mysql")
TABLE = 'op.create_table("t", sa.Column("a", sa.Integer))'


@pytest.fixture
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, URL]]:
    """Empty databases by name, of the kinds that the parameter names."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(servers.database(kind, tmp_path))
            for name, kind in zip(("default", "auth", "more"), request.param, strict=False)
        }


def environment(project: Project, urls: dict[str, URL]) -> dict[str, str]:
    """Return the environment for two databases or three, and let the project know the third."""
    if (
        "more" in urls
        and '"more"' not in (project.folder / project.package / "config.py").read_text()
    ):
        more = urls["more"].render_as_string(hide_password=False)
        config = project.folder / project.package / "config.py"
        text = config.read_text(encoding="utf-8")
        text = text.replace('"SQLALCHEMY_BINDS": {', f'"SQLALCHEMY_BINDS": {{"more": "{more}", ')
        config.write_text(text, encoding="utf-8")
        env = project.folder / project.package / "migrations" / "env.py"
        text = env.read_text(encoding="utf-8").replace(
            "{**db.metadatas,", "{'more': sa.MetaData(), **db.metadatas,"
        )
        env.write_text(f"import sqlalchemy as sa\n{text}", encoding="utf-8")
    return at(urls["default"]) | at(urls["auth"], "AUTH_DATABASE_URL")


def versions(url: URL) -> list[str]:
    if "alembic_version" not in tables(url):
        return []
    return query(url, "SELECT version_num FROM alembic_version")


# Those in which SQLite, which can be rolled back, and MySQL, which cannot, are first.
USUAL = ("sqlite", "postgresql", "mysql"), ("mysql", "sqlite", "postgresql")
ORDERS = [
    pytest.param(order, id="-".join(order), marks=[] if order in USUAL else pytest.mark.slow)
    for order in itertools.permutations(KINDS)
]


@pytest.mark.parametrize(
    "failing",
    ["default", *(pytest.param(each, marks=pytest.mark.slow) for each in ("auth", "more"))],
)
@pytest.mark.parametrize("urls", ORDERS, indirect=True)
def test_kinds_in_any_order_say_what_is_kept_and_go_on(
    multidb: Project, urls: dict[str, URL], failing: str
) -> None:
    env = environment(multidb, urls)
    bodies = {name: TABLE + ("\n1 / 0" if name == failing else "") for name in urls}
    revision = multidb.add_revision(
        bodies["default"], upgrade_auth=bodies["auth"], upgrade_more=bodies["more"]
    )
    done = multidb.alembic("upgrade", "head", env=env, status=1)
    said = done.stderr
    assert f"Revision {revision} of database {failing!r} failed." in said
    order = re.findall(r"\] Database (\w+)", said)
    is_kept = False
    for name, url in urls.items():
        has_run = name in order
        if url.get_backend_name() != "mysql" or not has_run:
            assert "t" not in tables(url)
            assert versions(url) == []
        elif name == failing:
            is_kept = True
            assert "may remain" in said
            assert versions(url) == [FIRST_REVISION]
            query(url, "DROP TABLE t")
        else:
            is_kept = True
            assert f"{name!r}" in said.partition("Committed: ")[2].partition(";")[0]
            assert versions(url) == [revision]
    assert ("Nothing of this run is kept." in said) == (not is_kept)
    path = next(multidb.versions.glob(f"*{revision}*"))
    path.write_text(path.read_text(encoding="utf-8").replace("1 / 0", ""), encoding="utf-8")
    multidb.alembic("upgrade", "head", env=env)
    for url in urls.values():
        assert versions(url) == [revision]
        assert "t" in tables(url)


@pytest.mark.parametrize("urls", [("postgresql", "postgresql")], indirect=True, ids=["postgresql"])
def test_failing_commit_names_who_has_committed(multidb: Project, urls: dict[str, URL]) -> None:
    """The second database commits first."""
    kill = """
        op.create_table("t", sa.Column("a", sa.Integer))
        from sqlalchemy import create_engine, event, text
        bind = op.get_bind()
        pid = bind.scalar(text("SELECT pg_backend_pid()"))
        @event.listens_for(bind, "commit")
        def kill(connection):
            with create_engine(connection.engine.url).connect() as other:
                other.execute(text(f"SELECT pg_terminate_backend({pid}, 60000)"))
    """
    multidb.add_revision(kill, upgrade_auth=TABLE)
    line = multidb.fails("upgrade", "head", env=environment(multidb, urls))
    assert line.startswith("FAILED: Database 'default': ")
    assert (
        "It is not known whether 'default' has committed: see alembic current. Committed: 'auth'; not: no other."
        in line
    )
    assert "t" not in tables(urls["default"])
    assert "t" in tables(urls["auth"])


@pytest.mark.parametrize("commit", ["COMMIT", "SELECT 1;\\n commit work;\\nSELECT 2"])
def test_commit_by_a_statement_is_known(generic: Project, commit: str) -> None:
    with servers.database("postgresql") as url:
        generic.add_revision(f'{TABLE}\nop.execute("{commit}")\n1 / 0')
        done = generic.alembic("upgrade", "head", env=at(url), status=1)
        assert "What was committed is kept, the rest is rolled back." in done.stderr
        assert "t" in tables(url)


@pytest.mark.parametrize("urls", [("postgresql", "mysql")], indirect=True, ids="-".join)
def test_fate_is_of_the_database_that_failed(multidb: Project, urls: dict[str, URL]) -> None:
    """env.py has gone on to another, which keeps what a failure leaves."""
    deferred = "op.execute('CREATE TABLE t (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)')\n"
    multidb.add_revision(
        f"{deferred}op.execute('INSERT INTO t VALUES (1), (1)')", upgrade_auth=TABLE
    )
    line = multidb.fails("upgrade", "head", env=environment(multidb, urls))
    assert "duplicate key" in line
    assert line.endswith(". It is rolled back. Committed: 'auth'; not: no other.")
    assert tables(urls["default"]) == set()


AUTOCOMMIT = {
    "engine": '{"isolation_level": "AUTOCOMMIT"}',
    "option": '{"execution_options": {"isolation_level": "AUTOCOMMIT"}}',
    "driver": '{"connect_args": {"autocommit": True}}',
}


@pytest.mark.parametrize(
    "how", ["engine", pytest.param("option", marks=pytest.mark.slow), "driver"]
)
@pytest.mark.parametrize("dialect", KINDS)
def test_engine_in_autocommit_mode_leaves_nothing_and_is_given_back(
    generic: Project, tmp_path: Path, dialect: str, how: str
) -> None:
    if dialect == "sqlite" and how == "driver" and sys.version_info < (3, 12):
        pytest.skip("sqlite3 has no autocommit before 3.12")
    generic.set_config("SQLALCHEMY_ENGINE_OPTIONS", AUTOCOMMIT[how])
    failing = generic.add_revision(f'{TABLE}\nop.execute("INSERT INTO t VALUES (1)")\n1 / 0')
    code = f"""
from alembic import command
from {generic.package} import create_app
from {generic.package}.db import db
from {generic.package}.migrations import alembic_config

def state():
    with db.engine.connect() as connection:
        driver = connection.connection.dbapi_connection
        return connection.dialect.detect_autocommit_setting(driver)

with create_app().app_context():
    before = state()
    try:
        command.upgrade(alembic_config(), "head")
    except ZeroDivisionError:
        pass
    else:
        raise AssertionError
    assert state() == before, (state(), before)
"""
    with servers.database(dialect, tmp_path) as url:
        generic.python("-c", code, env=at(url))
        if dialect == "mysql":
            assert versions(url) == [FIRST_REVISION]
            assert query(url, "SELECT count(*) FROM t") == [0]
            query(url, "DROP TABLE t")
        else:
            assert tables(url) == set()
        path = next(generic.versions.glob(f"*{failing}*"))
        path.write_text(path.read_text(encoding="utf-8").replace("1 / 0", ""), encoding="utf-8")
        generic.alembic("upgrade", "head", env=at(url))
        done = generic.alembic("check", env=at(url), status=4)
        assert "No temporary table" not in done.stderr
        assert "default" not in done.stdout.partition("\n")[2], done.stdout
        assert query(url, "SELECT a FROM t") == [1]


LOCK = "database.db-migrating"


def without_power(*command: str) -> list[str]:
    """Return a command to which the modes of files apply even if its user is root."""
    if os.geteuid():
        return [*command]
    if not shutil.which("setpriv"):
        pytest.skip("root may write everything")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", *command]


@pytest.mark.skipif(sys.platform == "win32", reason="files have no mode there")
def test_lock_file_that_cannot_be_written_is_refused(generic: Project, tmp_path: Path) -> None:
    url = make_url(f"sqlite:///{tmp_path / 'database.db'}")
    lock = tmp_path / LOCK
    lock.touch()
    if os.geteuid():
        pytest.skip("only root can give a file to another")
    os.chown(lock, 65534, 65534)
    lock.chmod(0o644)
    done = run(
        *without_power(sys.executable, "-m", "alembic", "upgrade", "head"),
        cwd=generic.folder,
        env={**ENVIRONMENT, **at(url)},
        status=None,
    )
    (line,) = done.stdout.splitlines()
    assert f"{lock} cannot be written" in line
    assert tables(url) == set()
    generic.alembic("upgrade", "head", env=at(url))  # root makes it whole
    assert lock.stat().st_uid == 0


@pytest.mark.slow
def test_file_system_that_is_read_only_needs_no_lock(generic: Project, tmp_path: Path) -> None:
    """At head there is nothing to do; else the database says why nothing can be done."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if sys.platform != "linux" or os.geteuid() or not shutil.which("mount"):
        pytest.skip("only root may mount")
    run("mount", "-t", "tmpfs", "tmpfs", str(folder), cwd=tmp_path)
    try:
        url = at(make_url(f"sqlite:///{folder / 'database.db'}"))
        generic.alembic("upgrade", "head", env=url)
        (folder / LOCK).unlink()
        run("mount", "-o", "remount,ro", str(folder), cwd=tmp_path)
        assert "nothing to do" in generic.alembic("upgrade", "head", env=url).stderr
        line = generic.fails("downgrade", "base", env=url)
    finally:
        run("umount", str(folder), cwd=tmp_path)
    assert "attempt to write a readonly database. Nothing of this run is kept." in line


@pytest.mark.skipif(sys.platform == "win32", reason="files have no mode there")
@pytest.mark.parametrize("name", [".env", "instance", "PACKAGE/migrations/versions/x.py"])
def test_file_that_its_user_may_not_read_is_named(generic: Project, name: str) -> None:
    path = generic.folder / name.replace("PACKAGE", generic.package)
    if name == "instance":
        generic.folder.chmod(0o500)
    else:
        path.touch()
        path.chmod(0)
    command = without_power(sys.executable, "-m", "alembic", "upgrade", "head")
    done = run(*command, cwd=generic.folder, status=255)
    generic.folder.chmod(0o700)
    assert done.stdout == f"FAILED: This user may not read or create {path}.\n"


@pytest.mark.skipif(sys.platform == "win32", reason="files have no mode there")
@pytest.mark.parametrize("place", ["alembic.ini", "PACKAGE/migrations/versions"])
def test_file_that_flask_db_may_not_read_or_make_is_named(generic: Project, place: str) -> None:
    """Before env.py is run, or after it."""
    path = generic.folder / place.replace("PACKAGE", generic.package)
    path.chmod(0o500 if path.is_dir() else 0)
    command = without_power(sys.executable, "-m", "flask", "db", "revision", "-m", "x")
    done = run(*command, cwd=generic.folder, status=255)
    path.chmod(0o700)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("FAILED: ")]
    assert line.startswith(f"FAILED: This user may not read or create {path}")


@pytest.mark.skipif(sys.platform == "win32", reason="files have no mode there")
def test_lock_file_has_mode_and_owner_of_the_database(generic: Project, tmp_path: Path) -> None:
    database = tmp_path / "database.db"
    database.touch()
    database.chmod(0o660)
    if not os.geteuid():
        os.chown(database, 65534, 65534)
    generic.alembic("upgrade", "head", env=at(make_url(f"sqlite:///{database}")))
    made, wanted = (tmp_path / LOCK).stat(), database.stat()
    assert (made.st_mode, made.st_uid, made.st_gid) == (
        wanted.st_mode,
        wanted.st_uid,
        wanted.st_gid,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="a file that is open cannot be deleted there")
@pytest.mark.parametrize(
    "how", ["unlink(file)", "rename(file, f'{file}-old')", "replace(f'{file}-new', file)"]
)
def test_file_that_is_another_at_the_end_is_named(
    generic: Project, tmp_path: Path, how: str
) -> None:
    """What was done is in a file that nobody opens again."""
    url = make_url(f"sqlite:///{tmp_path / 'database.db'}")
    (tmp_path / "database.db-new").touch()
    body = f"import os\nfile = op.get_bind().engine.url.database\nos.{how}"
    revision = generic.add_revision(f"{TABLE}\n{body}")
    done = generic.alembic("upgrade", "head", env=at(url), status=255)
    assert "of database 'default' was deleted or replaced" in done.stdout
    assert "is at head" not in done.stderr
    path = next(generic.versions.glob(f"*{revision}*"))
    path.write_text(path.read_text(encoding="utf-8").replace(f"os.{how}", ""), encoding="utf-8")
    generic.alembic("upgrade", "head", env=at(url))
    assert versions(url) == [revision]


def test_commit_in_a_text_is_none(generic: Project) -> None:
    """As in the body of a procedure, which is only made."""
    procedure = "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN\nCOMMIT;\nEND $$"
    generic.add_revision(f"op.execute({procedure!r})")
    generic.add_revision("1 / 0")
    with servers.database("postgresql") as url:
        done = generic.alembic("upgrade", "head", env=at(url), status=1)
        assert "Nothing of this run is kept." in done.stderr
        assert tables(url) == set()
