"""``alembic check`` where it may only read: it answers, and says once that it looks less closely."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import servers
from kit import Project
from own_servers import own_server
from sqlalchemy import URL

LOOSELY = "No temporary table can be made: types and defaults are compared loosely."
# What a role may do, by dialect; {0} is its name, {1} the database.
ROLES = {
    "postgresql": [
        "CREATE ROLE {0} LOGIN",
        "REVOKE TEMPORARY ON DATABASE {1} FROM PUBLIC",
        "GRANT pg_read_all_data TO {0}",
    ],
    "mysql": ["CREATE USER {0}@'%%'", "GRANT SELECT ON {1}.* TO {0}@'%%'"],  # %% is %
}


@contextmanager
def reader(dialect: str, url: URL) -> Iterator[URL]:
    """Make a role that may read, and yield its URL of a database."""
    name = f"kit_{secrets.token_hex(4)}"
    with servers.connect(url) as connection:
        for statement in ROLES[dialect]:
            connection.exec_driver_sql(statement.format(name, url.database))
    try:
        yield url.set(username=name, password=None)
    finally:
        with servers.connect(url) as connection:
            connection.exec_driver_sql(
                f"DROP {'ROLE' if dialect == 'postgresql' else 'USER'} {name}"
            )


def assert_sees_a_change(project: Project, url: URL) -> str:
    """Return what is logged."""
    project.edit("models.py", "String(200)", "String(300)")
    done = project.alembic("check", env=servers.at(url), status=4)
    assert "posts.title: VARCHAR(200) -> VARCHAR(300)" in done.stdout
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["postgresql", "mysql"])
def test_role_without_the_right_to_make_tables(dialect: str, generic: Project) -> None:
    with servers.database(dialect) as url, reader(dialect, url) as role:
        generic.alembic("upgrade", "head", env=servers.at(url))
        if dialect == "postgresql":  # MariaDB calls now() by another name
            generic.alembic("check", env=servers.at(role))
        assert assert_sees_a_change(generic, role).count(LOOSELY) == 1


@pytest.mark.slow
def test_read_only_server(generic: Project) -> None:
    """As a replica is."""
    with servers.database("postgresql") as url:
        generic.alembic("upgrade", "head", env=servers.at(url))
        servers.query(url, f"ALTER DATABASE {url.database} SET default_transaction_read_only = on")
        generic.alembic("check", env=servers.at(url))
        assert_sees_a_change(generic, url)


@pytest.mark.parametrize("dialect", ["postgresql", "mysql"])
def test_check_of_an_empty_database_makes_no_table(dialect: str, generic: Project) -> None:
    with servers.database(dialect) as url, reader(dialect, url) as role:
        line = generic.alembic("check", env=servers.at(role), status=3).stdout
        assert "is not at head: run alembic upgrade head." in line
        generic.alembic("check", env=servers.at(url), status=3)
        assert servers.tables(url) == set()


@pytest.mark.slow
def test_read_only_file(generic: Project) -> None:
    generic.alembic("upgrade", "head")
    file = generic.databases["default"]
    url = URL.create("sqlite", database=f"file:{file}", query={"mode": "ro", "uri": "true"})
    generic.alembic("check", env=servers.at(url))
    assert_sees_a_change(generic, url)


@pytest.mark.parametrize("is_new", [True, False])
def test_id_that_is_too_long_changes_nothing(generic: Project, is_new: bool) -> None:
    """Where DDL cannot be rolled back: the version table that Alembic makes has 32 characters."""
    with servers.database("mysql") as url:
        if not is_new:
            generic.alembic("upgrade", "head", env=servers.at(url))
        long = "long" * 10
        generic.add_revision('op.create_table("t", sa.Column("a", sa.Integer))')
        path = next(generic.versions.glob("*r001*"))
        path.write_text(path.read_text().replace("r001", long))
        line = generic.fails("upgrade", "head", env=servers.at(url))
        assert f"has 32 characters, too few for {long!r}: make it longer first" in line
        assert not {"t", "posts" if is_new else "t"} & servers.tables(url)
        servers.query(url, "ALTER TABLE alembic_version MODIFY version_num VARCHAR(99) NOT NULL")
        generic.alembic("upgrade", "head", env=servers.at(url))
        assert servers.query(url, "SELECT version_num FROM alembic_version") == [long]


@pytest.mark.slow
@pytest.mark.parametrize("table", ["alembic_log", "alembic_version"])
def test_role_that_may_not_record_changes_nothing(generic: Project, table: str) -> None:
    """MySQL could not roll back the revision that is to be recorded."""
    with servers.database("mysql") as url, reader("mysql", url) as role:
        generic.alembic("upgrade", "head", env=servers.at(url))
        revision = generic.add_revision('op.create_table("t", sa.Column("a", sa.Integer))')
        for each in {"t", "alembic_log", "alembic_version"} - {table}:
            servers.query(url, f"GRANT ALL ON {url.database}.{each} TO {role.username}@'%'")
        line = generic.fails("upgrade", "head", env=servers.at(role))
        assert "command denied" in line and table in line
        assert "t" not in servers.tables(url)
        servers.query(url, f"GRANT ALL ON {url.database}.{table} TO {role.username}@'%'")
        generic.alembic("upgrade", "head", env=servers.at(role))
        assert servers.query(url, "SELECT version_num FROM alembic_version") == [revision]


@pytest.mark.slow
def test_table_that_is_read_only_is_a_line(generic: Project) -> None:
    """As one whose file the server may only read."""
    with own_server("mysql") as server:
        query = "CREATE TABLE t (a INTEGER) ENGINE=MyISAM"
        servers.query(server.url, query)
        revision = generic.add_revision('op.execute("INSERT INTO t VALUES (1)")')
        (data,) = (part for part in server.command if part.startswith("--datadir="))
        for path in Path(data.partition("=")[2], str(server.url.database)).glob("t.MY*"):
            path.chmod(0o400)
        servers.query(server.url, "FLUSH TABLES")
        line = generic.fails("upgrade", "head", env=servers.at(server.url))
        assert f"Revision {revision} of database 'default': (1036, " in line
        assert "Revisions before it are kept" in line


def test_server_that_becomes_read_only_is_a_line(generic: Project) -> None:
    """As a replica that was the primary: the revision is not at fault, so there is no traceback."""
    revision = generic.add_revision(
        """
        op.execute("SET SESSION TRANSACTION READ ONLY")
        op.get_bind().commit()
        op.execute("UPDATE users SET id = 2 WHERE id = 1")
        """
    )
    with servers.database("mysql") as url:
        line = generic.fails("upgrade", "head", env=servers.at(url))
        assert f"Revision {revision} of database 'default': (1792, " in line
        assert "Revisions before it are kept" in line
