"""Nothing lost, nothing half-applied, any number of replicas: on real databases."""

import secrets
import signal
import sqlite3
import sys
import textwrap
import time
from contextlib import closing
from pathlib import Path

import kit
import pytest
from kit import ANY, ENVIRONMENT, FIRST_REVISION, Process, Project
from servers import at, database, query, tables, wait_until_left
from sqlalchemy import URL

WAITING = "Waiting for another migration of database 'default', up to 600 s"


def start(project: Project, *arguments: str, env: dict[str, str]) -> Process:
    command = (sys.executable, "-m", "alembic", *arguments)
    return kit.start(*command, cwd=project.folder, env={**ENVIRONMENT, **env})


def finished(process: Process) -> int | None:
    """Wait for a process, and return its exit status."""
    process.communicate()
    return process.returncode


def together(project: Project, count: int, url: URL, waits: str | None = None) -> list[str]:
    """Upgrade from several processes at once, all of which must succeed; return their logs.

    :param waits: a revision that waits until all others wait for it
    """
    processes = [start(project, "upgrade", "head", env=at(url)) for _ in range(count)]
    logs = [wait_for_line(each, f"-> {waits}", "Waiting") if waits else "" for each in processes]
    tell(project)
    logs = [log + each.communicate()[1] for log, each in zip(logs, processes, strict=True)]
    failed = [log for process, log in zip(processes, logs, strict=True) if process.returncode]
    assert not failed, f"{len(failed)} of {count} failed, the first with\n{failed[0]}"
    return logs


UNTIL_TOLD = """
    import pathlib, sys
    print("It waits until it is told.", file=sys.stderr, flush=True)
    while not pathlib.Path("go").exists():
        time.sleep(0.05)
"""


def tell(project: Project) -> None:
    """Let a revision end that waits until it is told."""
    (project.folder / "go").touch()


def wait_for_line(process: Process, *texts: str) -> str:
    """Read what a process says until a line has one of the texts; return all that it has said."""
    assert process.stderr
    said = ""
    for line in process.stderr:
        said += line
        if any(text in line for text in texts):
            return said
    raise AssertionError(f"no line has one of {texts}:\n{said}")


def add_revisions_that_count_themselves(project: Project, url: URL) -> list[str]:
    concurrently = """
        with op.get_context().autocommit_block():
            op.execute("CREATE INDEX CONCURRENTLY by_name ON log (name)")
    """
    first = """
        op.create_table("log", sa.Column("name", sa.String(20)))
        op.execute("INSERT INTO log VALUES ('first')")
    """
    return [
        project.add_revision(textwrap.dedent(first) + textwrap.dedent(UNTIL_TOLD)),
        project.add_revision(concurrently if url.get_backend_name() == "postgresql" else "pass"),
        project.add_revision("op.execute(\"INSERT INTO log VALUES ('third')\")"),
        project.add_revision("op.execute(\"INSERT INTO log VALUES ('fourth')\")"),
    ]


@pytest.mark.parametrize(
    "per_migration",
    [
        pytest.param(False, id="one-transaction"),
        pytest.param(True, id="each-its-own", marks=pytest.mark.slow),
    ],
)
def test_replicas_that_start_at_once_all_succeed(
    generic: Project, url: URL, per_migration: bool
) -> None:
    generic.set_config("ALEMBIC_CONTEXT", f'{{"transaction_per_migration": {per_migration}}}')
    revisions = add_revisions_that_count_themselves(generic, url)
    logs = together(generic, 8, url, revisions[0])
    assert query(url, "SELECT name FROM log ORDER BY name") == ["first", "fourth", "third"]
    assert query(url, "SELECT version_num FROM alembic_version") == [revisions[-1]]
    assert sum(f"-> {revisions[0]}" in log for log in logs) == 1
    assert sorted(log.count(WAITING) for log in logs) == [0] + [1] * 7


@pytest.mark.slow
def test_thirty_replicas_succeed(generic: Project, postgresql: URL) -> None:
    revisions = add_revisions_that_count_themselves(generic, postgresql)
    together(generic, 30, postgresql, revisions[0])
    assert query(postgresql, "SELECT count(*) FROM log") == [3]


@pytest.mark.slow
def test_autocommit_block_works_on_sqlite_among_replicas(generic: Project, sqlite: URL) -> None:
    generic.add_revision('op.create_table("log", sa.Column("name", sa.String(20)))')
    generic.add_revision(
        """
        op.execute("INSERT INTO log VALUES ('one')")
        with op.get_context().autocommit_block():
            op.execute("VACUUM")
            time.sleep(0.5)
        op.execute("INSERT INTO log VALUES ('two')")
        """
    )
    together(generic, 4, sqlite)
    assert query(sqlite, "SELECT name FROM log ORDER BY name") == ["one", "two"]


@pytest.mark.slow
def test_replicas_that_wait_leave_connections_to_the_app(generic: Project, postgresql: URL) -> None:
    revisions = add_revisions_that_count_themselves(generic, postgresql)
    role = f"kit_{secrets.token_hex(6)}"
    query(postgresql, f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 8")
    try:
        query(postgresql, f"ALTER DATABASE {postgresql.database} OWNER TO {role}")
        together(generic, 14, postgresql.set(username=role), revisions[0])
        assert query(postgresql, "SELECT count(*) FROM log") == [3]
    finally:
        query(postgresql, f"REASSIGN OWNED BY {role} TO CURRENT_USER")
        query(postgresql, f"DROP ROLE {role}")


# What an app may limit, and what holds while it is migrated, without MIGRATION_LOCK_TIMEOUT.
LIMITED = {
    "sqlite": '"timeout": 600',
    "postgresql": '"options": "-c idle_in_transaction_session_timeout=10min -c lock_timeout=10min"',
    "mysql": '"init_command": "SET SESSION wait_timeout = 600, lock_wait_timeout = 600"',
}
UNLIMITED = {
    "sqlite": {"PRAGMA busy_timeout": 2**31 - 1},
    "postgresql": {
        "SHOW idle_in_transaction_session_timeout": "0",
        "SHOW lock_timeout": "0",
        "SHOW tcp_keepalives_idle": "60",  # else a session whose client is gone holds the lock for hours
    },
    "mysql": {"SELECT @@wait_timeout > 600": 1, "SELECT @@lock_wait_timeout > 600": 1},
}


def test_no_limit_of_the_app_ends_a_migration(generic: Project, url: URL) -> None:
    kind = url.get_backend_name()
    generic.set_config("SQLALCHEMY_ENGINE_OPTIONS", f'{{"connect_args": {{{LIMITED[kind]}}}}}')
    generic.add_revision(
        f"""
        for sql, wanted in {UNLIMITED[kind]}.items():
            found = op.get_bind().scalar(sa.text(sql))
            assert found == wanted, (sql, found)
        """
    )
    generic.alembic("upgrade", "head", env={**at(url), "MIGRATION_LOCK_TIMEOUT": "0"})


def test_who_waits_too_long_gives_up_in_one_line(generic: Project, url: URL) -> None:
    revision = generic.add_revision(UNTIL_TOLD)
    first = start(generic, "upgrade", "head", env=at(url))
    wait_for_line(first, f"-> {revision}")
    line = generic.fails("upgrade", "head", env={**at(url), "MIGRATION_WAIT": "0.5"})
    tell(generic)
    assert "'default'" in line and "0.5 s (MIGRATION_WAIT)" in line
    assert finished(first) == 0


def test_failed_revision_leaves_nothing_or_says_what_is_left(generic: Project, url: URL) -> None:
    before = generic.add_revision('op.create_table("before", sa.Column("id", sa.Integer))')
    body = """
        op.create_table("half", sa.Column("id", sa.Integer))
        op.execute("INSERT INTO half VALUES (1)")
        {}
    """
    failing = generic.add_revision(body.format("1 / 0"))
    done = generic.alembic("upgrade", "head", env=at(url), status=1)
    rest, _, explanation = done.stderr.rstrip().rpartition("\n")  # what matters comes last
    assert f"Revision {failing} of database 'default' failed." in explanation
    assert "ZeroDivisionError" in rest
    if url.get_backend_name() == "mysql":
        assert "may remain" in explanation
        assert query(url, "SELECT version_num FROM alembic_version") == [before]
        query(url, "DROP TABLE half")
    else:
        assert "Nothing of this run is kept." in explanation
        assert tables(url) == set()
    path = next(generic.versions.glob(f"*{failing}*"))
    path.write_text(path.read_text(encoding="utf-8").replace("1 / 0", ""), encoding="utf-8")
    generic.alembic("upgrade", "head", env=at(url))
    assert query(url, "SELECT id FROM half") == [1]


def test_failure_after_a_commit_keeps_what_was_committed(generic: Project, sqlite: URL) -> None:
    generic.set_config("ALEMBIC_CONTEXT", '{"transaction_per_migration": True}')
    failing = generic.add_revision('op.create_table("half", sa.Column("id", sa.Integer))\n1 / 0')
    done = generic.alembic("upgrade", "head", env=at(sqlite), status=1)
    assert (
        f"Revision {failing} of database 'default' failed. What was committed is kept"
        in done.stderr
    )
    assert tables(sqlite) == {"alembic_version", "users", "posts"}
    assert query(sqlite, "SELECT version_num FROM alembic_version") == [FIRST_REVISION]


ENFORCE_FOREIGN_KEYS = """
from sqlalchemy import Engine, event


@event.listens_for(Engine, "connect")
def enforce_foreign_keys(connection, record):
    connection.execute("PRAGMA foreign_keys=ON")
"""


def enforce_foreign_keys(project: Project) -> None:
    path = project.folder / project.package / "db.py"
    path.write_text(path.read_text(encoding="utf-8") + ENFORCE_FOREIGN_KEYS, encoding="utf-8")


@pytest.fixture
def family(generic: Project, sqlite: URL) -> Project:
    """A project that enforces foreign keys on SQLite, with rows that depend on others."""
    enforce_foreign_keys(generic)
    generic.add_revision(
        """
        op.create_table(
            "parents",
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("name", sa.String(20)),
        )
        for action in ("cascade", "set null", "restrict"):
            op.create_table(
                action.replace(" ", "_"),
                sa.Column("id", sa.Integer, primary_key=True),
                sa.Column("parent_id", sa.Integer, sa.ForeignKey("parents.id", ondelete=action)),
            )
        op.execute("INSERT INTO parents VALUES (1, 'a'), (2, 'b')")
        for table in ("cascade", "set_null", "restrict"):
            op.execute(f'INSERT INTO "{table}" VALUES (1, 1), (2, 2)')
        """
    )
    generic.alembic("upgrade", "head", env=at(sqlite))
    return generic


def children(url: URL) -> dict[str, list[int]]:
    return {
        table: query(url, f'SELECT parent_id FROM "{table}" ORDER BY id')
        for table in ("cascade", "set_null", "restrict")
    }


def test_batch_operation_on_a_parent_changes_no_child(family: Project, sqlite: URL) -> None:
    family.add_revision(
        """
        with op.batch_alter_table("parents", recreate="always") as batch_op:
            batch_op.alter_column("name", type_=sa.String(40), nullable=False)
        """,
        """
        with op.batch_alter_table("parents", recreate="always") as batch_op:
            batch_op.alter_column("name", type_=sa.String(20), nullable=True)
        """,
    )
    for command in (["upgrade", "head"], ["downgrade", "-1"], ["upgrade", "head"]):
        family.alembic(*command, env=at(sqlite))
        assert query(sqlite, "SELECT name FROM parents ORDER BY id") == ["a", "b"]
        assert children(sqlite) == {"cascade": [1, 2], "set_null": [1, 2], "restrict": [1, 2]}


def test_orphan_fails_the_migration_and_is_rolled_back(family: Project, sqlite: URL) -> None:
    family.add_revision(
        """
        op.create_table("more", sa.Column("id", sa.Integer))
        op.execute("DELETE FROM parents WHERE id = 2")
        """
    )
    line = family.fails("upgrade", "head", env=at(sqlite))
    assert "'default'" in line and "restrict 2 -> parents" in line and "cascade 2" in line
    assert "rolled back" in line
    assert query(sqlite, "SELECT id FROM parents") == [1, 2]
    assert "more" not in tables(sqlite)


def test_key_to_what_is_not_unique_is_a_line(family: Project, sqlite: URL) -> None:
    """SQLite makes such a table, and then checks no key at all."""
    column = 'sa.Column("name", sa.String(20), sa.ForeignKey("parents.name"))'
    family.add_revision(f'op.create_table("more", {column})')
    line = family.fails("upgrade", "head", env=at(sqlite))
    assert "Database 'default' is rolled back: foreign key mismatch" in line
    assert '"more" referencing "parents", whose columns are neither its primary key nor' in line
    assert "more" not in tables(sqlite)


def break_a_key(url: URL) -> None:
    """Add a child without a parent, as an app can that does not enforce foreign keys."""
    query(url, 'INSERT INTO "restrict" VALUES (3, 99)')


def test_violation_from_before_does_not_fail_a_migration(family: Project, sqlite: URL) -> None:
    break_a_key(sqlite)
    family.add_revision('op.add_column("restrict", sa.Column("more", sa.Integer))')
    family.add_revision(
        """
        with op.batch_alter_table("restrict", recreate="always") as batch_op:
            batch_op.alter_column("more", type_=sa.String(5))
        """
    )
    family.alembic("upgrade", "head", env=at(sqlite))
    family.add_revision("op.execute('INSERT INTO \"restrict\" VALUES (4, 98, NULL)')")
    line = family.fails("upgrade", "head", env=at(sqlite))
    assert "restrict 4 -> parents" in line
    assert "restrict 3" not in line


def test_violation_from_before_does_not_fail_a_large_migration(
    family: Project, sqlite: URL
) -> None:
    """Larger than SQLite's cache, which would write to the file before the commit."""
    break_a_key(sqlite)
    family.add_revision(
        """
        op.execute(
            "WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) "
            "INSERT INTO parents SELECT i, hex(randomblob(50)) FROM n"
        )
        with op.batch_alter_table("parents", recreate="always") as batch_op:
            batch_op.alter_column("name", type_=sa.String(40))
        """
    )
    family.alembic("upgrade", "head", env=at(sqlite))


KILLED_REVISIONS = 30


def add_slow_revisions(project: Project) -> None:
    """Rows with children, and then revisions that change both tables by turns."""
    project.add_revision(
        """
        op.create_table(
            "people",
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("name", sa.String(20), nullable=False),
        )
        op.create_table(
            "pets",
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("owner", sa.Integer, sa.ForeignKey("people.id", name="fk_owner", ondelete="CASCADE")),
        )
        for number in range(1, 201):
            op.execute(f"INSERT INTO people VALUES ({number}, 'n{number}')")
            op.execute(f"INSERT INTO pets VALUES ({number}, {number})")
        """
    )
    for number in range(KILLED_REVISIONS):
        table = ("people", "pets")[number % 2]
        project.add_revision(
            f"""
            time.sleep(0.01)
            with op.batch_alter_table("{table}") as batch_op:
                batch_op.add_column(sa.Column("c{number}", sa.Integer, server_default="{number}"))
            op.execute("UPDATE {table} SET c{number} = {number} + 1")
            time.sleep(0.01)
            """
        )


def is_whole(url: URL) -> None:
    last = KILLED_REVISIONS - 1
    assert query(url, "SELECT version_num FROM alembic_version") == [f"r{KILLED_REVISIONS + 1:03}"]
    for table, column in (("people", f"c{last - 1}"), ("pets", f"c{last}")):
        assert query(url, f"SELECT count(*) FROM {table}") == [200]
        expected = 200 * (int(column[1:]) + 1)
        assert int(query(url, f"SELECT sum({column}) FROM {table}")[0]) == expected
    assert query(url, "SELECT sum(id - owner) FROM pets") == [0]


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is not known there")
@pytest.mark.parametrize("dialect", ["sqlite", "postgresql", "mysql"])
@pytest.mark.parametrize(
    "moment",  # in seconds, after the first revision has begun
    [pytest.param(n / 10, marks=[] if n == 6 else pytest.mark.slow) for n in range(13)],
)
def test_killed_migration_is_finished_by_the_next(
    generic: Project, tmp_path: Path, dialect: str, moment: float
) -> None:
    if dialect == "sqlite":
        enforce_foreign_keys(generic)
    add_slow_revisions(generic)
    with database(dialect, tmp_path) as url:
        generic.alembic("upgrade", "r001", env=at(url))
        process = start(generic, "upgrade", "head", env=at(url))
        wait_for_line(process, "Running upgrade")
        time.sleep(moment)
        process.kill()
        process.communicate()
        wait_until_left(url)
        reached = query(url, "SELECT version_num FROM alembic_version")
        again = generic.alembic("upgrade", "head", env=at(url), status=ANY)
        if dialect == "mysql" and again.returncode:
            following = f"r{int(reached[0][1:]) + 1:03}"
            explanation = f"{again.stdout}{again.stderr}"
            assert f"Revision {following} of database 'default'" in explanation
            assert "may remain" in explanation
            assert query(url, "SELECT version_num FROM alembic_version") == reached
        else:
            assert again.returncode == 0, again.stderr
            is_whole(url)
        if dialect == "postgresql":
            assert query(url, ADVISORY_LOCKS) == [0]


def hold(project: Project, url: URL, sql: str) -> Process:
    """Start a process that keeps a transaction open in which it has run a statement."""
    code = f"""
import sys
from sqlalchemy import create_engine, text
with create_engine({url.render_as_string(hide_password=False)!r}).connect() as connection:
    connection.execute(text({sql!r}))
    print("held", flush=True)
    sys.stdin.read()
"""
    process = kit.start(sys.executable, "-c", code, cwd=project.folder)
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def test_busy_table_fails_the_migration_in_one_line(generic: Project, url: URL) -> None:
    generic.alembic("upgrade", "head", env=at(url))
    generic.add_revision('op.create_table("before", sa.Column("id", sa.Integer))')
    busy = generic.add_revision('op.add_column("users", sa.Column("email", sa.String(80)))')
    holder = hold(generic, url, "INSERT INTO users (name) VALUES ('Ada')")
    with holder:
        env = {**at(url), "MIGRATION_LOCK_TIMEOUT": "1", "MIGRATION_LOCK_RETRIES": "0"}
        line = generic.fails("upgrade", "head", env=env)
        # Who queued up behind the migration goes on, although the holder still holds.
        assert query(url, "SELECT count(*) FROM users") == [0]
        holder.communicate("")
    assert "'default'" in line and "MIGRATION_LOCK_TIMEOUT" in line
    kind = url.get_backend_name()
    held = {
        "sqlite": "in 'BEGIN IMMEDIATE'",
        "postgresql": "(idle in transaction) on users",
        "mysql": ", held by connection ",
    }
    assert held[kind] in line
    if kind == "mysql":
        assert f"Revision {busy}" in line and "may remain" in line
    else:
        assert "Nothing of this run is kept." in line
        assert "before" not in tables(url)
    generic.alembic("upgrade", "head", env=at(url))


@pytest.mark.slow
def test_reading_that_waits_too_long_says_no_more_than_is_true(
    generic: Project, sqlite: URL
) -> None:
    """How long is up to the driver: 5 seconds."""
    generic.alembic("upgrade", "head", env=at(sqlite))
    with closing(sqlite3.connect(str(sqlite.database), isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        line = generic.fails("current", env=at(sqlite))
    assert "waited for a lock too long, in " in line and "MIGRATION" not in line
    assert line.endswith("'. Run it again later.")


def test_who_locks_the_version_table_is_named(generic: Project, postgresql: URL) -> None:
    """As a tool does that looks at all tables, and waits; no revision has begun then."""
    generic.alembic("upgrade", "head", env=at(postgresql))
    env = {**at(postgresql), "MIGRATION_LOCK_TIMEOUT": "0.5", "MIGRATION_LOCK_RETRIES": "0"}
    with hold(generic, postgresql, "LOCK TABLE alembic_version") as holder:
        line = generic.fails("downgrade", "base", env=env)
        holder.communicate("")
    assert "(idle in transaction) on alembic_version. Nothing of this run is kept." in line


def test_commit_that_waits_for_a_reader_is_named(generic: Project, sqlite: URL) -> None:
    generic.alembic("upgrade", "head", env=at(sqlite))
    generic.add_revision("pass")
    env = {**at(sqlite), "MIGRATION_LOCK_TIMEOUT": "0.1", "MIGRATION_LOCK_RETRIES": "0"}
    with closing(sqlite3.connect(str(sqlite.database), isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM users").fetchall()
        line = generic.fails("upgrade", "head", env=env)
    assert "MIGRATION_LOCK_TIMEOUT, in 'COMMIT'. Nothing of this run is kept." in line
    assert query(sqlite, "SELECT version_num FROM alembic_version") == [FIRST_REVISION]


def test_nothing_is_read_before_the_locks_are_had(generic: Project, sqlite: URL) -> None:
    """Which nobody can while the other commits, as long as the disk takes."""
    generic.alembic("upgrade", "head", env=at(sqlite))
    files = (str(sqlite.database), f"{sqlite.database}-migrating")
    with closing(sqlite3.connect(files[0])) as other, closing(sqlite3.connect(files[1])) as lock:
        for each in (other, lock):
            each.execute("BEGIN EXCLUSIVE")
        env = {**at(sqlite), "MIGRATION_WAIT": "0.1", "MIGRATION_LOCK_RETRIES": "0"}
        assert "0.1 s (MIGRATION_WAIT)" in generic.fails("upgrade", "head", env=env)
        lock.rollback()
        env["MIGRATION_LOCK_TIMEOUT"] = "0.1"
        assert "MIGRATION_LOCK_TIMEOUT, in 'BEGIN" in generic.fails("upgrade", "head", env=env)


def test_index_that_could_not_be_made_concurrently_is_named(
    generic: Project, postgresql: URL
) -> None:
    generic.alembic("upgrade", "head", env=at(postgresql))
    generic.add_revision(
        """
        with op.get_context().autocommit_block():
            op.execute("CREATE INDEX CONCURRENTLY by_name ON users (name)")
        """
    )
    with hold(generic, postgresql, "INSERT INTO users (name) VALUES ('Ada')") as holder:
        line = generic.fails(
            "upgrade", "head", env={**at(postgresql), "MIGRATION_LOCK_TIMEOUT": "0.5"}
        )
        holder.communicate("")
    assert "held by pid " in line and "on users" in line
    assert "by_name is left INVALID: DROP INDEX CONCURRENTLY by_name." in line
    query(postgresql, "DROP INDEX CONCURRENTLY by_name")
    generic.alembic("upgrade", "head", env=at(postgresql))


@pytest.mark.parametrize("dialect", [pytest.param("sqlite", marks=pytest.mark.slow), "postgresql"])
def test_lock_that_is_not_to_be_had_is_tried_again(
    generic: Project, tmp_path: Path, dialect: str
) -> None:
    with database(dialect, tmp_path) as url:
        generic.alembic("upgrade", "head", env=at(url))
        generic.add_revision('op.create_table("before", sa.Column("id", sa.Integer))')
        generic.add_revision('op.add_column("users", sa.Column("email", sa.String(80)))')
        env = {**at(url), "MIGRATION_LOCK_TIMEOUT": "0.5", "MIGRATION_LOCK_RETRIES": "2"}
        with hold(generic, url, "INSERT INTO users (name) VALUES ('Ada')") as holder:
            done = generic.alembic("upgrade", "head", env=env, status=None)
            assert done.stderr.count("Trying again in") == 2
            assert "(1/2)" in done.stderr and "(2/2)" in done.stderr
            waiting = start(generic, "upgrade", "head", env={**env, "MIGRATION_LOCK_RETRIES": "99"})
            wait_for_line(waiting, "Trying again")
            holder.communicate("")
        assert finished(waiting) == 0
        assert "before" in tables(url)
        assert query(url, "SELECT count(*) FROM alembic_log") == [3]


def test_position_of_an_attempt_that_was_rolled_back_is_not_said(
    generic: Project, postgresql: URL
) -> None:
    """Another process migrates while this one waits to try again, and then there is nothing to do."""
    generic.alembic("upgrade", "head", env=at(postgresql))
    generic.add_revision("pass")
    last = generic.add_revision('op.add_column("users", sa.Column("email", sa.String(80)))')
    other = f"""
import subprocess, sys
from sqlalchemy import create_engine, text
with create_engine({postgresql.render_as_string(hide_password=False)!r}).connect() as connection:
    where = "datname = current_database() AND pid <> pg_backend_pid()"
    connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {{where}}"))
subprocess.run([sys.executable, "-m", "alembic", "upgrade", "head"], check=True)
"""
    (generic.folder / "other.py").write_text(other, encoding="utf-8")
    instead = "__import__('subprocess').run([__import__('sys').executable, 'other.py'], check=True)"
    generic.edit("migrations/kit/guard.py", "        time.sleep(pause)", f"        {instead}")
    env = {**at(postgresql), "MIGRATION_LOCK_TIMEOUT": "0.5"}
    with hold(generic, postgresql, "INSERT INTO users (name) VALUES ('Ada')"):
        said = generic.alembic("upgrade", "head", env=env).stderr
    assert "Trying again" in said
    assert said.count(f"is at head ({last})\n") == 1, said  # the other's
    assert "is at r001" not in said


STOPS = {"SIGINT": 130, "SIGTERM": 143}  # what the command ends with


@pytest.mark.skipif(sys.platform == "win32", reason="signals are not known there")
@pytest.mark.parametrize("how", [pytest.param("SIGINT", marks=pytest.mark.slow), "SIGTERM"])
def test_interrupted_migration_is_one_line(generic: Project, url: URL, how: str) -> None:
    generic.add_revision(UNTIL_TOLD)
    process = start(generic, "upgrade", "head", env=at(url))
    wait_for_line(process, "It waits until it is told.")
    process.send_signal(getattr(signal, how))
    printed, log = process.communicate()
    assert "Traceback" not in log, log
    kept = "may remain" if url.get_backend_name() == "mysql" else "Nothing of this run is kept."
    assert printed.startswith("FAILED: Interrupted. ") and kept in printed
    assert process.returncode == STOPS[how]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are not known there")
def test_interrupted_statement_that_commits_by_itself_is_one_line(
    generic: Project, postgresql: URL
) -> None:
    """SQLAlchemy closes the connection, and then the block that ends wants it."""
    body = """
        import os, signal, threading
        threading.Timer(1, os.kill, (os.getpid(), signal.SIGTERM)).start()
        with op.get_context().autocommit_block():
            op.execute("SELECT pg_sleep(60)")
    """
    generic.add_revision(textwrap.dedent(body))
    done = generic.alembic("upgrade", "head", env=at(postgresql), status=143)
    assert "Traceback" not in done.stderr, done.stderr
    said = "It is not known whether 'default' has committed: see alembic current."
    assert done.stdout == f"FAILED: Interrupted. {said}\n"


@pytest.mark.skipif(sys.platform == "win32", reason="signals are not known there")
@pytest.mark.parametrize("how", [pytest.param("SIGINT", marks=pytest.mark.slow), "SIGTERM"])
def test_interrupted_waiting_is_one_line(generic: Project, url: URL, how: str) -> None:
    """While it sleeps between two tries. SQLAlchemy logs what interrupts it when it closes a connection."""
    generic.edit("migrations/kit/session.py", "time.sleep(min(", "time.sleep(600 + min(")
    revision = generic.add_revision(UNTIL_TOLD)
    first = start(generic, "upgrade", "head", env=at(url))
    wait_for_line(first, f"-> {revision}")
    process = start(generic, "upgrade", "head", env=at(url))
    wait_for_line(process, "Waiting for another migration")
    process.send_signal(getattr(signal, how))
    printed, log = process.communicate()
    tell(generic)
    assert finished(first) == 0
    assert "Traceback" not in log, log
    assert printed == "FAILED: Interrupted before database 'default' was migrated.\n"
    assert process.returncode == STOPS[how]


@pytest.mark.parametrize("body", ["{}", "try:\n    {}\nfinally:\n    op.execute('SELECT 1')"])
def test_lost_connection_is_one_line(generic: Project, postgresql: URL, body: str) -> None:
    """Also where a revision goes on, and fails in another way."""
    kill = 'op.execute("SELECT pg_terminate_backend(pg_backend_pid())")'
    generic.add_revision(body.format(kill))
    line = generic.fails("upgrade", "head", env=at(postgresql))
    assert "Revision r001 of database 'default': terminating connection" in line
    assert "Nothing of this run is kept." in line
    assert tables(postgresql) == set()


# Ends its own session, once, when it asks for the lock.
KILL_WHO_ASKS = """

from sqlalchemy import Engine, event, text

KILLS = {
    "postgresql": ("pg_try_advisory_lock", "SELECT pg_terminate_backend({})", "pg_backend_pid()"),
    "mysql": ("GET_LOCK", "KILL {}", "CONNECTION_ID()"),
}
killed = []


@event.listens_for(Engine, "before_cursor_execute")
def kill(connection, cursor, statement, *_):
    asks, sql, pid = KILLS[connection.dialect.name]
    if asks in statement and not killed:
        cursor.execute(f"SELECT {pid}")
        killed.append(cursor.fetchone()[0])
        with connection.engine.connect() as other:
            other.execute(text(sql.format(*killed)))
"""


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_who_loses_the_connection_while_it_asks_for_the_lock_asks_again(
    generic: Project, kind: str
) -> None:
    with (generic.folder / generic.package / "db.py").open("a", encoding="utf-8") as module:
        module.write(KILL_WHO_ASKS)
    with database(kind) as url:
        done = generic.alembic("upgrade", "head", env=at(url))
        assert query(url, "SELECT version_num FROM alembic_version") == [FIRST_REVISION]
    assert "Waiting for a connection of database 'default'" in done.stderr


def test_readers_of_sqlite_go_on_while_it_is_migrated(generic: Project, sqlite: URL) -> None:
    generic.alembic("upgrade", "head", env=at(sqlite))
    generic.add_revision('op.add_column("users", sa.Column("email", sa.String))')
    waits = generic.add_revision(UNTIL_TOLD)
    process = start(generic, "upgrade", "head", env=at(sqlite))
    wait_for_line(process, f"-> {waits}")
    assert query(sqlite, "SELECT count(*) FROM users") == [0]
    assert process.poll() is None
    tell(generic)
    assert finished(process) == 0


ADVISORY_LOCKS = """
    SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
    WHERE locktype = 'advisory' AND datname = current_database()
"""


def test_reading_neither_takes_nor_waits_for_the_lock(generic: Project, url: URL) -> None:
    generic.alembic("upgrade", "head", env=at(url))
    waits = generic.add_revision(UNTIL_TOLD)
    migrating = start(generic, "upgrade", "head", env=at(url))
    wait_for_line(migrating, f"-> {waits}")
    for command in ("current", "check", "heads", "history", "revision --autogenerate -m x"):
        done = generic.alembic(
            *command.split(), env={**at(url), "MIGRATION_WAIT": "0.1"}, status=ANY
        )
        assert "MIGRATION_WAIT" not in done.stdout, command
        assert "Traceback" not in done.stderr, done.stderr
    assert migrating.poll() is None
    tell(generic)
    assert finished(migrating) == 0


STATE = {
    "sqlite": ["PRAGMA foreign_keys", "PRAGMA busy_timeout", "PRAGMA cache_spill"],
    "postgresql": ["SHOW lock_timeout", "SHOW search_path", ADVISORY_LOCKS],
    "mysql": ["SELECT @@SESSION.sql_mode", "SELECT IS_USED_LOCK(SHA2(:lock, 256))"],
}
# What a revision may do to its session, which no other code of the app is to get.
SETS = {
    "sqlite": "PRAGMA foreign_keys=OFF",
    "postgresql": "SET search_path = nowhere, public",
    "mysql": "SET SESSION sql_mode = ''",
}


@pytest.mark.parametrize("fails", [False, True], ids=["done", "failed"])
def test_connection_is_given_back_as_it_was(generic: Project, url: URL, fails: bool) -> None:
    """Or another one is: what a revision has set in a session ends with it."""
    if url.get_backend_name() == "sqlite":
        enforce_foreign_keys(generic)
    sets = f"op.get_bind().exec_driver_sql({SETS[url.get_backend_name()]!r})\n"
    sets += "op.get_bind().commit()\n" if url.get_backend_name() != "sqlite" else ""
    generic.add_revision(sets + ("1 / 0" if fails else "pass"))
    lock = f"{url.database} default"
    code = f"""
from alembic import command
from sqlalchemy import text
from {generic.package} import create_app
from {generic.package}.db import db
from {generic.package}.migrations import alembic_config

app = create_app({{"SQLALCHEMY_ENGINE_OPTIONS": {{"pool_size": 1, "max_overflow": 0}}}})

def state():
    with db.engine.connect() as connection:
        driver = connection.connection.dbapi_connection
        values = [connection.scalar(text(sql), {{"lock": {lock!r}}} if ":lock" in sql else {{}})
                  for sql in {STATE[url.get_backend_name()]!r}]
        connection.rollback()
        in_transaction = getattr(driver, "in_transaction", None)
        return values, in_transaction

with app.app_context():
    before = state()
    try:
        command.upgrade(alembic_config(), "head")
    except ZeroDivisionError:
        assert {fails}
    else:
        assert not {fails}
    assert state() == before, (state(), before)
    assert db.engine.pool.checkedout() == 0
"""
    generic.python("-c", code, env=at(url))


@pytest.mark.parametrize("autocommit", [True, False])
@pytest.mark.skipif(sys.version_info < (3, 12), reason="sqlite3 has no autocommit before 3.12")
def test_engine_that_sets_autocommit_of_sqlite3(
    generic: Project, sqlite: URL, autocommit: bool
) -> None:
    generic.set_config(
        "SQLALCHEMY_ENGINE_OPTIONS", f'{{"connect_args": {{"autocommit": {autocommit}}}}}'
    )
    failing_revisions_leave_nothing(generic, sqlite)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sqlite3 has no autocommit before 3.12")
def test_connection_is_given_back_by_who_waited_in_vain(generic: Project, sqlite: URL) -> None:
    assert sqlite.database
    code = f"""
import sqlite3
from alembic import command
from alembic.util import CommandError
from {generic.package} import create_app
from {generic.package}.db import db
from {generic.package}.migrations import alembic_config

options = {{"connect_args": {{"autocommit": False}}, "pool_size": 1, "max_overflow": 0}}
app = create_app({{"SQLALCHEMY_ENGINE_OPTIONS": options, "MIGRATION_WAIT": 0}})
lock = sqlite3.connect({sqlite.database + "-migrating"!r})
lock.execute("BEGIN EXCLUSIVE")
with app.app_context():
    try:
        command.upgrade(alembic_config(), "head")
    except CommandError as error:
        assert "MIGRATION_WAIT" in str(error)
    else:
        raise AssertionError("it did not wait")
    with db.engine.connect() as connection:
        assert connection.connection.dbapi_connection.autocommit is False
"""
    generic.python("-c", code, env=at(sqlite))


def test_engine_that_begins_by_itself(generic: Project, sqlite: URL) -> None:
    """As SQLAlchemy's documentation advises for SQLite."""
    path = generic.folder / generic.package / "db.py"
    recipe = """
from sqlalchemy import Engine, event


@event.listens_for(Engine, "connect")
def leave_transactions_to_us(connection, record):
    connection.isolation_level = None


@event.listens_for(Engine, "begin")
def begin(connection):
    connection.exec_driver_sql("BEGIN")
"""
    path.write_text(path.read_text(encoding="utf-8") + recipe, encoding="utf-8")
    failing_revisions_leave_nothing(generic, sqlite)


def failing_revisions_leave_nothing(project: Project, url: URL) -> None:
    project.add_revision('op.create_table("half", sa.Column("id", sa.Integer))\n1 / 0')
    project.alembic("upgrade", "head", env=at(url), status=1)
    assert tables(url) == set()
    project.alembic("upgrade", FIRST_REVISION, env=at(url))
    assert tables(url) == {"alembic_version", "users", "posts"}


OTHER = """
from alembic.ddl.{0} import {1}Impl
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.{0}.{2} import dialect


class OtherDialect(dialect):
    name = "other.driver"
    supports_statement_cache = True


class OtherImpl({1}Impl):
    __dialect__ = "other.driver"


registry.impls["other"] = lambda: OtherDialect
"""


def at_other(project: Project, url: URL, *names: str) -> dict[str, str]:
    """Let a project know a dialect without a file in backends/, named as Firebird's, and use it."""
    path = project.folder / project.package / "db.py"
    path.write_text(path.read_text(encoding="utf-8") + OTHER.format(*names), encoding="utf-8")
    return at(url.set(drivername="other"))


@pytest.mark.slow
def test_unknown_kind_of_database_is_locked_by_a_row(generic: Project, postgresql: URL) -> None:
    generic.add_revision('op.create_table("log", sa.Column("name", sa.String(20)))')
    waits = generic.add_revision(UNTIL_TOLD)
    generic.add_revision("op.execute(\"INSERT INTO log VALUES ('one')\")")
    env = at_other(generic, postgresql, "postgresql", "Postgresql", "psycopg")
    killed = start(generic, "upgrade", "head", env=env)
    wait_for_line(killed, f"-> {waits}")
    killed.kill()
    killed.communicate()
    # What becomes of the lock when its owner dies: nothing is left of it.
    tell(generic)
    replicas = [start(generic, "upgrade", "head", env=env) for _ in range(8)]
    logs = [each.communicate()[1] for each in replicas]
    assert [each.returncode for each in replicas] == [0] * 8, logs
    assert all(log.count("the lock is a row of the table alembic_lock") == 1 for log in logs)
    assert query(postgresql, "SELECT name FROM log") == ["one"]
    assert query(postgresql, "SELECT times FROM alembic_lock WHERE name = 'default'") == [8]
    assert "alembic_lock" not in generic.alembic("check", env=env, status=4).stdout


def test_unknown_kind_that_lets_only_one_write_says_so(generic: Project, sqlite: URL) -> None:
    env = at_other(
        generic, sqlite.update_query_dict({"timeout": "0.1"}), "sqlite", "SQLite", "pysqlite"
    )
    done = generic.alembic("upgrade", "head", env=env)
    assert "Database 'default' (other.driver) cannot be locked" in done.stderr
    assert {"users", "posts"} < tables(sqlite)


def test_threads_take_turns(generic: Project, sqlite: URL) -> None:
    code = f"""
from concurrent.futures import ThreadPoolExecutor
from alembic import command
from {generic.package} import create_app
from {generic.package}.migrations import alembic_config, current, differences, needs_upgrade

app = create_app()
calls = [current, differences, needs_upgrade] + [
    lambda name=name, more=more: getattr(command, name)(alembic_config(), *more)
    for name, *more in (("upgrade", "head"), ("current",), ("check",))
]

def call(number):
    with app.app_context():
        return calls[number % len(calls)]()

with app.app_context():
    command.upgrade(alembic_config(), "head")
with ThreadPoolExecutor(8) as pool:
    list(pool.map(call, range(60)))
"""
    generic.python("-c", code, env=at(sqlite))
