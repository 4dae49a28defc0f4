"""Revisions that end what is not theirs: nothing is lost without a word, and what is said is true."""

import socket
import sys
import textwrap
from pathlib import Path

import pytest
import servers
from kit import FIRST_REVISION, Project
from servers import at, database, query
from sqlalchemy import URL, make_url

TABLE = 'op.create_table("t", sa.Column("a", sa.Integer))'
INSERT = 'op.execute("INSERT INTO t VALUES ({})")'
# An error after which SQLite rolls back all that the run has done, with its savepoints.
UNDO = 'op.execute("INSERT OR ROLLBACK INTO alembic_version SELECT * FROM alembic_version")'


def prepared(project: Project, url: URL, body: str) -> str:
    """Migrate to a table, and add a revision that writes to it before and after a body."""
    project.add_revision(TABLE)
    project.alembic("upgrade", "head", env=at(url))
    return project.add_revision("\n".join([INSERT.format(1), body, INSERT.format(2)]))


def state(url: URL) -> tuple[list[int], list[str], str]:
    """Return the rows, the version, and the last revision of the log."""
    log = query(url, "SELECT revision FROM alembic_log ORDER BY id")
    version = query(url, "SELECT version_num FROM alembic_version")
    return query(url, "SELECT a FROM t ORDER BY a"), version, log[-1]


@pytest.mark.parametrize("is_last", [True, False], ids=["last", "not-last"])
def test_revision_that_commits_loses_nothing(generic: Project, url: URL, is_last: bool) -> None:
    last = prepared(generic, url, "op.get_bind().commit()")
    if not is_last:
        last = generic.add_revision(INSERT.format(3))
    generic.alembic("upgrade", "head", env=at(url))
    assert state(url) == ([1, 2] if is_last else [1, 2, 3], [last], last)


@pytest.mark.parametrize(
    "how",
    [
        "op.get_bind().rollback()",
        pytest.param("op.execute('/* all */ ROLLBACK')", marks=pytest.mark.slow),
        pytest.param(
            "try:\n    op.get_bind().rollback()\nfinally:\n    pass", marks=pytest.mark.slow
        ),
    ],
    ids=["caller", "statement", "finally"],
)
def test_revision_that_rolls_the_run_back_is_refused(generic: Project, url: URL, how: str) -> None:
    generic.add_revision(TABLE)
    generic.alembic("upgrade", "head", env=at(url))
    generic.add_revision(INSERT.format(7))
    revision = generic.add_revision(f"{how}\n{INSERT.format(8)}")
    line = generic.fails("upgrade", "head", env=at(url))
    assert line.startswith(f"FAILED: Revision {revision} of database 'default' rolls back")
    assert "begin_nested()" in line
    if url.get_backend_name() == "mysql":
        assert state(url) == ([7], ["r002"], "r002")
    else:
        assert state(url) == ([], ["r001"], "r001")


@pytest.mark.parametrize(
    "commit",
    [
        "op.get_bind().commit()",
        pytest.param("op.execute('COMMIT')", marks=pytest.mark.slow),
        pytest.param("with op.get_context().autocommit_block(): pass", marks=pytest.mark.slow),
    ],
    ids=["caller", "statement", "block"],
)
def test_commit_after_an_error_that_was_caught_is_none(generic: Project, commit: str) -> None:
    """PostgreSQL rolls back then, and does not say so."""
    with servers.database("postgresql") as url:
        caught = "try:\n    op.execute('SELECT 1 / 0')\nexcept Exception:\n    pass"
        prepared(generic, url, f"{caught}\n{commit}")
        done = generic.alembic("upgrade", "head", env=at(url), status=1)
        assert "current transaction is aborted" in done.stderr
        assert state(url) == ([], ["r001"], "r001")


def test_error_that_rolls_back_the_run_is_not_to_be_caught(generic: Project, sqlite: URL) -> None:
    revision = prepared(generic, sqlite, f"try:\n    {UNDO}\nexcept sa.exc.DBAPIError:\n    pass")
    line = generic.fails("upgrade", "head", env=at(sqlite))
    what = f"Revision {revision} of database 'default' rolls back what the run has done"
    assert line.startswith(f"FAILED: {what}: UNIQUE constraint failed: ")
    assert line.endswith("Nothing of this run is kept.")
    assert state(sqlite) == ([], ["r001"], "r001")


def test_error_that_rolls_back_the_run_leaves_nothing(generic: Project, sqlite: URL) -> None:
    prepared(generic, sqlite, "")
    generic.add_revision(UNDO)
    done = generic.alembic("upgrade", "head", env=at(sqlite), status=1)
    assert "IntegrityError" in done.stderr
    assert done.stderr.endswith("Nothing of this run is kept.\n")
    assert state(sqlite) == ([], ["r001"], "r001")


@pytest.mark.parametrize(
    "first",
    [
        "UPDATE users SET name = 'mine' WHERE id = 1",
        pytest.param("SELECT id FROM users WHERE id = 1 FOR UPDATE", marks=pytest.mark.slow),
    ],
    ids=["change", "nothing"],
)
def test_deadlock_that_was_caught(generic: Project, first: str) -> None:
    """MySQL has rolled back what the revision changed before, so it may go on only if that is nothing."""
    again, is_lost = "UPDATE users SET name = CONCAT('mine', id) WHERE id = 2", "SET" in first
    body = f"""
        import threading
        here, there = op.get_bind(), op.get_bind().engine.connect()
        here.execute(sa.text("{first}"))
        there.execute(sa.text("UPDATE users SET name = CONCAT('theirs', id) WHERE id > 1"))
        late = sa.text("UPDATE users SET name = CONCAT('theirs', id) WHERE id = 1")
        thread = threading.Thread(target=there.execute, args=[late])
        thread.start()
        try:
            here.execute(sa.text("{again}"))
        except sa.exc.OperationalError:
            pass
        thread.join()
        there.rollback()
        there.close()
        here.execute(sa.text("{again}"))
    """
    with servers.database("mysql") as url:
        names = ", ".join(f"({number}, 'n{number}')" for number in range(1, 50))
        generic.add_revision(f'op.execute("INSERT INTO users (id, name) VALUES {names}")')
        generic.alembic("upgrade", "head", env=at(url))
        revision = generic.add_revision(body)
        if is_lost:
            line = generic.fails("upgrade", "head", env=at(url))
            what = f"Revision {revision} of database 'default' rolls back what the run has done"
            assert line.startswith(f"FAILED: {what}: (1213, 'Deadlock found")
        else:
            generic.alembic("upgrade", "head", env=at(url))
        found = query(url, "SELECT name FROM users WHERE id < 3 ORDER BY id")
        assert found == (["n1", "n2"] if is_lost else ["n1", "mine2"])


def test_error_that_was_caught_where_each_statement_commits(generic: Project, url: URL) -> None:
    """It rolls back nothing, not even as the first statement."""
    body = (
        "try:\n    op.execute('DROP TABLE none')\nexcept sa.exc.DBAPIError:\n    pass\n"
        + INSERT.format(3)
    )
    block = "with op.get_context().autocommit_block():\n"
    prepared(generic, url, block + textwrap.indent(body, "    "))
    generic.alembic("upgrade", "head", env=at(url))
    assert state(url) == ([1, 2, 3], ["r002"], "r002")


def test_savepoint_of_a_revision_may_be_rolled_back(generic: Project, url: URL) -> None:
    body = f"nested = op.get_bind().begin_nested()\n{INSERT.format(9)}\nnested.rollback()"
    revision = prepared(generic, url, body)
    generic.alembic("upgrade", "head", env=at(url))
    assert state(url) == ([1, 2], [revision], revision)


@pytest.mark.parametrize(("code", "status"), [("", 255), ("3", 3), ("'no more'", 255)])
def test_revision_that_ends_the_process_fails(
    generic: Project, sqlite: URL, code: str, status: int
) -> None:
    revision = prepared(generic, sqlite, f"raise SystemExit({code})")
    done = generic.alembic("upgrade", "head", env=at(sqlite), status=status)
    start = (
        f"FAILED: Revision {revision} of database 'default' ended the process, with {code or None}."
    )
    assert done.stdout == f"{start} Nothing of this run is kept.\n"
    assert state(sqlite) == ([], ["r001"], "r001")


def test_revision_that_ends_the_process_is_an_error_to_python(
    generic: Project, sqlite: URL
) -> None:
    prepared(generic, sqlite, "raise SystemExit")
    code = """
        import pytest
        from alembic.util import CommandError
        from flask_app import create_app
        from flask_app.migrations import upgrade

        with create_app().app_context(), pytest.raises(CommandError, match="ended the process"):
            upgrade()
    """
    generic.python("-c", code.replace("\n        ", "\n"), env=at(sqlite))


def test_any_exception_says_what_is_kept(generic: Project, sqlite: URL) -> None:
    prepared(generic, sqlite, "raise GeneratorExit")
    done = generic.alembic("upgrade", "head", env=at(sqlite), status=1)
    assert done.stderr.endswith("of database 'default' failed. Nothing of this run is kept.\n")


def test_alembic_in_a_revision_is_refused(generic: Project, sqlite: URL) -> None:
    revision = prepared(generic, sqlite, "from flask_app.migrations import current\ncurrent()")
    line = generic.fails("upgrade", "head", env=at(sqlite))
    assert line.startswith(f"FAILED: Revision {revision} of database 'default': Alembic cannot")
    assert line.endswith(" Nothing of this run is kept.")
    assert state(sqlite) == ([], ["r001"], "r001")


@pytest.mark.skipif(sys.platform != "linux", reason="processes are not forked there")
def test_processes_that_a_revision_has_forked_end_as_they_would_elsewhere(
    generic: Project, sqlite: URL
) -> None:
    forked = """
        from multiprocessing import get_context
        context = get_context("fork")
        event = context.Event()
        process = context.Process(target=lambda: [event.set(), time.sleep(60)])
        process.start()
        event.wait(30)
        process.terminate()
        process.join()
        assert process.exitcode == -15, process.exitcode
    """
    revision = prepared(generic, sqlite, textwrap.dedent(forked))
    done = generic.alembic("upgrade", "head", env=at(sqlite))
    assert "Traceback" not in done.stderr
    assert state(sqlite) == ([1, 2], [revision], revision)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are not forked there")
def test_no_more_is_said_than_is_known_where_a_fork_has_rolled_back(
    generic: Project, sqlite: URL
) -> None:
    """It has the same connection: SQLite says a disk error to the commit, and commits."""
    fork = "import os\nif not os.fork():\n    raise ValueError\nos.wait()"
    revision = prepared(generic, sqlite, fork)
    done = generic.alembic("upgrade", "head", env=at(sqlite), status=255)
    assert "is kept" not in done.stderr + done.stdout
    assert "It is not known whether 'default' has committed" in done.stdout
    assert state(sqlite) == ([1, 2], [revision], revision)


@pytest.mark.parametrize(
    ("kind", "how"),
    [("sqlite", "executescript('SELECT 1')"), ("postgresql", f"commit()\n{INSERT.format(2)}")],
)
def test_what_the_driver_has_committed_is_kept(
    generic: Project, tmp_path: Path, kind: str, how: str
) -> None:
    """With the revisions before it; executescript() of sqlite3 commits what there was before it."""
    with database(kind, tmp_path) as url:
        before = generic.add_revision(TABLE)
        generic.add_revision(
            f"{INSERT.format(1)}\nop.get_bind().connection.{how}\nraise ValueError"
        )
        done = generic.alembic("upgrade", "head", env=at(url), status=1)
        kept = "What was committed is kept, the rest is rolled back."
        assert done.stderr.endswith(f"failed. {kept}\n")
        assert state(url) == ([1], [before], before)


def test_closed_connection_leaves_no_lock_in_the_pool(generic: Project) -> None:
    with servers.database("postgresql") as url:
        prepared(generic, url, "op.get_bind().close()")
        code = f"""
import pytest
from flask_app import create_app
from flask_app.migrations import upgrade
from servers import wait_until_left
from sqlalchemy import make_url
from sqlalchemy.exc import ResourceClosedError

with create_app().app_context():
    with pytest.raises(ResourceClosedError):
        upgrade()
    wait_until_left(make_url({url.render_as_string(hide_password=False)!r}))
"""
        tests = str(Path(__file__).parent)
        generic.python("-c", code, env={**at(url), "PYTHONPATH": tests})


CANCELLED = {
    "postgresql": "op.execute('SET LOCAL statement_timeout = 100')\nop.execute('SELECT pg_sleep(9)')",
    "mysql": """
op.execute('SET SESSION /*M! max_statement_time = 0.1 */ /*!50708 max_execution_time = 100 */')
op.execute('SELECT COUNT(*) FROM information_schema.columns a, information_schema.columns b')
""",
    # What a session with another default_transaction_isolation gets if a row has changed meanwhile.
    "postgresql, snapshot": """
op.execute("DO $$ BEGIN RAISE SQLSTATE '40001' USING message = 'could not serialize'; END $$")
""",
}


@pytest.mark.parametrize("case", CANCELLED)
def test_cancelled_statement_is_one_line(generic: Project, case: str) -> None:
    with servers.database(case.partition(",")[0]) as url:
        revision = prepared(generic, url, CANCELLED[case])
        line = generic.fails("upgrade", "head", env=at(url))
        assert line.startswith(f"FAILED: Revision {revision} of database 'default': ")
        assert state(url) == ([], ["r001"], "r001")


@pytest.mark.parametrize("rest", ["CREATE TABLE t (a int); CREATE TABLE u (a int);", "SELECT x"])
def test_later_statement_of_one_text_fails_the_revision(generic: Project, rest: str) -> None:
    """As mysqlclient sends several: SQLAlchemy only logs what fails after the first of them."""
    with servers.database("mysql") as url:
        env = at(url.update_query_dict({"client_flag": "65536"}))  # CLIENT.MULTI_STATEMENTS
        revision = generic.add_revision(f'op.execute("CREATE TABLE t (a int); {rest}")')
        done = generic.alembic("upgrade", "head", env=env, status=None)
        assert f"Revision {revision} of database 'default'" in done.stdout + done.stderr
        assert query(url, "SELECT version_num FROM alembic_version") == [FIRST_REVISION]


@pytest.mark.parametrize("name", ["mysql+pymysql", "postgresql+psycopg"])
@pytest.mark.parametrize("variant", ["generic", "multidb"])
def test_server_that_says_nothing_is_not_waited_for_long(
    request: pytest.FixtureRequest, name: str, variant: str
) -> None:
    project = request.getfixturevalue(variant)
    project.edit("migrations/kit/signals.py", "LONGEST = 60", "LONGEST = 1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = make_url(f"{name}://user:secret@127.0.0.1:{silent.getsockname()[1]}/shop")
        env = at(url) | at(url.set(database="auth"), "AUTH_DATABASE_URL")
        line = project.fails("upgrade", "head", env=env)
    assert "cannot be reached at" in line
    assert "it has not answered for 1 s" in line
    assert "secret" not in line
