"""A plain mistake is one clear line, without a password and without a traceback."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import servers
from kit import ENVIRONMENT, Project
from servers import at, query, tables
from sqlalchemy import make_url

PASSWORD = "s3cr3t%2F%40"

MISTAKES = {
    "server down": ("postgresql://ada:{}@127.0.0.1:1/shop", "refused"),
    "server down, mysql": ("mysql+pymysql://ada:{}@127.0.0.1:1/shop", "refused"),
    "no such host": ("postgresql://ada:{}@nosuch.invalid/shop", "nosuch.invalid"),
    "password in the query": ("postgresql://ada@127.0.0.1:1/shop?password={}", "refused"),
    "unparsable": ("postgres//ada:{}@127.0.0.1/shop", "cannot be parsed"),
    "unparsable port": ("postgresql://ada:{}@127.0.0.1:port/shop", "cannot be parsed"),
    "empty of sense": ("x", "cannot be parsed"),
    "unknown dialect": ("nosuch://ada:{}@127.0.0.1/shop", "nosuch"),
    "unknown driver": ("postgresql+nosuch://ada:{}@127.0.0.1/shop", "nosuch"),
    "missing driver": ("oracle+oracledb://ada:{}@127.0.0.1/shop", "oracledb"),
    "missing folder": ("sqlite:////nosuch/folder/shop.db", "unable to open database file"),
}


def one_line(project: Project, *arguments: str, env: dict[str, str]) -> str:
    """Return the line with which alembic fails."""
    line = project.fails(*arguments, env=env)
    assert "s3cr3t" not in line
    return line


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_in_the_url(generic: Project, mistake: str) -> None:
    url, expected = MISTAKES[mistake]
    line = one_line(generic, "upgrade", "head", env={"DATABASE_URL": url.format(PASSWORD)})
    assert expected in line
    assert "atabase" in line


@pytest.mark.parametrize("command", ["current", "check", "upgrade head"])
def test_mistake_in_the_url_of_another_database(multidb: Project, command: str) -> None:
    url = f"postgresql+psycopg://ada:{PASSWORD}@127.0.0.1:1/shop"
    line = one_line(multidb, *command.split(), env={"AUTH_DATABASE_URL": url})
    assert f"Database 'auth' cannot be reached at {url.replace(PASSWORD, '***')}" in line


@pytest.mark.parametrize("dialect", ["postgresql", "mysql"])
def test_unknown_database(generic: Project, dialect: str) -> None:
    url = servers.server(dialect).set(database="kit_nosuch")
    assert "kit_nosuch" in one_line(generic, "upgrade", "head", env=at(url))


def test_wrong_password(generic: Project) -> None:
    with servers.database("mysql") as url, servers.account(url, "right") as login:
        wrong = login.set(password="s3cr3t")
        line = one_line(generic, "upgrade", "head", env=at(wrong))
        assert "Access denied" in line and "***" in line


def test_sqlite_file_that_is_read_only(generic: Project, tmp_path: Path) -> None:
    url = make_url(f"sqlite:///{tmp_path / 'shop.db'}")
    generic.alembic("upgrade", "head", env=at(url))
    generic.add_revision('op.create_table("t", sa.Column("a", sa.Integer))')
    read_only = {"DATABASE_URL": f"sqlite:///file:{tmp_path / 'shop.db'}?mode=ro&uri=true"}
    assert "readonly" in one_line(generic, "upgrade", "head", env=read_only)


def test_relative_folder_is_made_as_the_app_makes_it(generic: Project) -> None:
    shutil.rmtree(generic.folder / "instance", ignore_errors=True)
    generic.alembic("upgrade", "head", env={"DATABASE_URL": "sqlite:///shop.db"})
    assert (generic.folder / "instance" / "shop.db").exists()


def test_setting_that_is_no_number(generic: Project) -> None:
    line = one_line(generic, "upgrade", "head", env={"MIGRATION_WAIT": "nan"})
    assert "MIGRATION_WAIT='nan' must be a number from 0 to 2000000" in line


def test_traceback_of_a_mistake_can_be_had(generic: Project) -> None:
    environment = {"DATABASE_URL": "sqlite:////nosuch/folder/shop.db"}
    done = generic.alembic("--raiseerr", "upgrade", "head", env=environment, status=1)
    assert "Traceback" in done.stderr


def test_unknown_revision(project: Project) -> None:
    line = one_line(project, "upgrade", "nosuch", env={})
    assert "nosuch" in line
    assert ("Database 'default': " in line) == (project.variant == "multidb")


def test_error_of_alembic_names_the_one_of_several_databases(multidb: Project) -> None:
    multidb.alembic("-x", "database=default", "upgrade", "head")
    line = one_line(multidb, "downgrade", "-1", env={})
    assert line.startswith("FAILED: Database 'auth': ")


def test_mistake_in_the_app_keeps_its_traceback(generic: Project) -> None:
    generic.edit("__init__.py", "    return app\n", "    import nosuch_module\n    return app\n")
    done = generic.alembic("upgrade", "head", status=1)
    assert "nosuch_module" in done.stderr
    assert "Traceback" in done.stderr


@pytest.mark.parametrize("message", ['say """hello"""', r"\N{x}", "C:\\", 'a "word"'])
def test_any_message_makes_a_revision_that_python_reads(project: Project, message: str) -> None:
    project.alembic("revision", "-m", message)
    shown = project.alembic("history").stdout.splitlines()[0]
    assert message.replace('"""', "'''") in shown


def test_full_disk_leaves_nothing(generic: Project, tmp_path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("no limit on the size of a file there")
    url = make_url(f"sqlite:///{tmp_path / 'shop.db'}")
    generic.alembic("upgrade", "head", env=at(url))
    generic.add_revision(
        """
        op.create_table("t", sa.Column("a", sa.String))
        for _ in range(100):
            op.execute("INSERT INTO t VALUES (hex(randomblob(50000)))")
        """
    )
    code = """
import resource, runpy, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000000, 1000000))
sys.argv = ["alembic", "upgrade", "head"]
runpy.run_module("alembic", run_name="__main__")
"""
    done = generic.python("-c", code, env=at(url), status=None)
    assert "Traceback" not in done.stderr
    assert "disk I/O error. It is not known whether 'default' has committed" in done.stdout
    assert "t" not in tables(url)
    assert query(url, "SELECT count(*) FROM alembic_version") == [1]
    assert os.path.getsize(tmp_path / "shop.db") < 1000000


def test_revisions_by_hand_need_no_models(generic: Project) -> None:
    generic.edit("migrations/env.py", "target_metadata = db.metadata", "target_metadata = None")
    generic.alembic("upgrade", "head")
    generic.alembic("revision", "-m", "by hand")
    generic.alembic("upgrade", "head")
    assert "MetaData" in generic.fails("check")


def test_folder_without_revisions_is_named(generic: Project) -> None:
    for path in generic.versions.glob("*.py"):
        path.unlink()
    said = generic.alembic("upgrade", "head").stderr
    assert f"is at base (no revision is in {generic.versions}), there is nothing to do" in said


@pytest.mark.parametrize("rows", ["", "r001"])
def test_version_table_that_was_changed_by_hand(generic: Project, rows: str) -> None:
    generic.alembic("upgrade", "head")
    generic.add_revision('op.create_table("t", sa.Column("a", sa.Integer))')
    url = make_url(f"sqlite:///{generic.databases['default']}")
    query(url, "INSERT INTO alembic_version VALUES (:row)", row=rows)
    line = generic.fails("upgrade", "head")
    assert f"'5b1f0c3a9d27' and {rows!r}" in line or f"{rows!r} and '5b1f0c3a9d27'" in line
    assert "alembic stamp --purge REVISION" in line
    generic.alembic("stamp", "--purge", "5b1f0c3a9d27")
    generic.alembic("upgrade", "head")
    assert query(url, "SELECT version_num FROM alembic_version") == ["r001"]
    assert "t" in tables(url)


def test_revision_that_is_a_link_to_nothing(generic: Project) -> None:
    path = generic.versions / "x.py"
    path.symlink_to("nosuch.py")
    assert "nosuch.py: delete its link" in generic.fails("upgrade", "head")


@pytest.mark.parametrize("way", ["upgrade", "downgrade"])
@pytest.mark.parametrize("lazy", ["async", "yield"])
def test_function_that_python_would_not_run(project: Project, lazy: str, way: str) -> None:
    """Alembic calls it, gets a coroutine or a generator, and takes the revision for done."""
    project.alembic("upgrade", "head")
    project.add_revision("pass")
    path = next(project.versions.glob("*r001*"))
    if way == "downgrade":
        project.alembic("upgrade", "head")
    name = f"{way}_default" if project.variant == "multidb" else way
    old, text = f"def {name}():\n    pass", path.read_text(encoding="utf-8")
    new = f"async {old}" if lazy == "async" else old.replace("pass", "yield")
    path.write_text(text.replace(old, new), encoding="utf-8")
    line = project.fails(way, "head" if way == "upgrade" else "-1")
    assert f"{path}: functions with yield or async never run." in line
    assert ("r001" in project.alembic("current").stdout) == (way == "downgrade")


@pytest.mark.parametrize("name", ["5b1f", "head", "base"])
def test_version_that_is_not_the_whole_id(generic: Project, name: str) -> None:
    """Alembic understands it, but then writes the new version beside it."""
    generic.alembic("upgrade", "head")
    generic.add_revision('op.create_table("t", sa.Column("a", sa.Integer))')
    url = make_url(f"sqlite:///{generic.databases['default']}")
    query(url, "UPDATE alembic_version SET version_num = :name", name=name)
    line = generic.fails("upgrade", "head")
    assert f"The version table holds {name!r}, which no migration has written" in line
    assert query(url, "SELECT version_num FROM alembic_version") == [name]
    generic.alembic("stamp", "--purge", "5b1f0c3a9d27")
    generic.alembic("upgrade", "head")
    assert "t" in tables(url)


@pytest.mark.skipif(sys.platform != "linux", reason="there is no full device")
@pytest.mark.parametrize(("to", "status"), [("| true", 0), (">/dev/full", 255), ("| cat", 0)])
def test_sql_that_cannot_be_written_to_its_end(generic: Project, to: str, status: int) -> None:
    generic.add_revision('op.create_table("täble", sa.Column("a", sa.Integer))')
    command = f'"{sys.executable}" -m alembic upgrade head --sql {to}'
    options: Any = {
        "cwd": generic.folder,
        "env": {**ENVIRONMENT, **({"PYTHONIOENCODING": "ascii"} if "cat" in to else {})},
        "capture_output": True,
        "encoding": "utf-8",
    }
    done = subprocess.run(command, shell=True, check=False, **options)
    assert "Traceback" not in done.stderr
    assert done.returncode == status
    assert ("FAILED: The SQL cannot be written: 'ascii' codec" in done.stdout) == ("cat" in to)


def test_command_without_an_output(generic: Project) -> None:
    command = f'"{sys.executable}" -m flask db reset --yes >&-'
    subprocess.run(command, shell=True, cwd=generic.folder, env=ENVIRONMENT, check=True)


@pytest.mark.parametrize("program", ["alembic", "flask db"])
def test_error_without_an_output_is_one_line(generic: Project, program: str) -> None:
    options: Any = {"cwd": generic.folder, "env": ENVIRONMENT, "stderr": subprocess.PIPE}
    command = f'"{sys.executable}" -m {program} upgrade nosuch >&-'
    done = subprocess.run(command, shell=True, check=False, text=True, **options)
    assert done.returncode == 255
    assert "Traceback" not in done.stderr
    assert done.stderr.count("FAILED: Can't locate revision") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="a path is text there")
@pytest.mark.parametrize(
    "env", [{}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
)
def test_path_that_is_not_of_the_encoding(generic: Project, env: dict[str, str]) -> None:
    name = b"\xc3\xa9.db" if env else b"\xe9.db"
    path = os.fsencode(generic.folder) + b"/" + name
    command: Any = [sys.executable, "-m", "alembic", "upgrade", "head"]
    env = {**ENVIRONMENT, **env, "DATABASE_URL": f"sqlite:///{os.fsdecode(path)}"}
    subprocess.run(command, cwd=generic.folder, env=env, check=True)
    assert os.path.exists(path) and os.path.exists(path + b"-migrating")


@pytest.mark.parametrize("url", [" sqlite:///shop.db\n", "\n"])
def test_white_space_around_a_url(generic: Project, url: str) -> None:
    said = generic.alembic("upgrade", "head", env={"DATABASE_URL": url}).stderr
    assert f"{url.strip().partition('///')[2] or 'default.db'}: 1 revision" in said
