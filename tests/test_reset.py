"""``flask db reset``: drops what is the app's, and makes it anew."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import servers
from kit import FIRST_REVISION, Project
from servers import at, query
from sqlalchemy import URL

SLOW = pytest.mark.slow
# What a revision can make besides tables, and what would fail if it were there already.
OTHERS = {
    "sqlite": [
        "CREATE VIEW titles AS SELECT title FROM posts",
        "CREATE VIRTUAL TABLE words USING fts5(word)",
        "CREATE TRIGGER seen AFTER INSERT ON posts BEGIN DELETE FROM posts WHERE id < 0; END",
    ],
    "postgresql": [
        "CREATE TYPE mood AS ENUM ('sad', 'glad')",
        "CREATE DOMAIN positive AS integer CHECK (value > 0)",
        "CREATE SEQUENCE tickets",
        "CREATE TYPE kind AS ENUM ('a')",
        "CREATE TYPE pair AS (number positive)",
        "CREATE TABLE pairs (kinds kind[], pair pair)",
        "ALTER TABLE posts ADD COLUMN mood mood, ADD COLUMN ticket positive DEFAULT nextval('tickets')",
        "CREATE VIEW titles AS SELECT title, mood FROM posts",
        "CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM titles",
        "CREATE FUNCTION seen() RETURNS trigger AS 'BEGIN RETURN NEW; END' LANGUAGE plpgsql",
        "CREATE TRIGGER seen BEFORE INSERT ON posts FOR EACH ROW EXECUTE FUNCTION seen()",
        "ALTER TABLE users ADD COLUMN best integer REFERENCES posts",
    ],
    "mysql": [
        "CREATE VIEW titles AS SELECT title FROM posts",
        "CREATE FUNCTION seen() RETURNS integer DETERMINISTIC RETURN 1",
        "CREATE TRIGGER seen BEFORE INSERT ON posts FOR EACH ROW SET NEW.title = 'seen'",
        "CREATE /*M! SEQUENCE tickets */ /*!50708 VIEW tickets AS SELECT 1 AS one */",  # MySQL has none
        "CREATE EVENT daily ON SCHEDULE EVERY 1 DAY DO SELECT 1",
        "ALTER TABLE users ADD COLUMN best integer",
        "ALTER TABLE users ADD CONSTRAINT fk_best FOREIGN KEY (best) REFERENCES posts (id)",
    ],
}
# Of others, in the same database: listed in IGNORED_TABLES, and on PostgreSQL of an extension.
FOREIGN = {
    "sqlite": ["CREATE TABLE theirs (id integer)"],
    "postgresql": [
        "CREATE EXTENSION hstore",
        "CREATE TYPE their_kind AS ENUM ('a')",
        "CREATE FUNCTION theirs() RETURNS integer AS 'SELECT 1' LANGUAGE sql",
        "CREATE TABLE theirs (id serial, kinds their_kind[], tags hstore, n integer DEFAULT theirs())",
    ],
    "mysql": ["CREATE TABLE theirs (id integer)"],
}


@pytest.fixture(
    params=["sqlite", *(pytest.param(kind, marks=SLOW) for kind in ("postgresql", "mysql"))]
)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[URL]:
    with servers.database(request.param, tmp_path) as url:
        yield url


def test_all_is_made_anew_and_what_is_of_others_stays(generic: Project, url: URL) -> None:
    generic.edit("migrations/env.py", "set[str] = set()", 'set[str] = {"theirs"}')
    kind = url.get_backend_name()
    generic.add_revision("\n".join(f'op.execute("{each}")' for each in OTHERS[kind]))
    generic.alembic("upgrade", "head", env=at(url))
    for statement in FOREIGN[kind]:
        query(url, statement)
    query(url, "INSERT INTO theirs (id) VALUES (7)")
    query(url, "INSERT INTO users (id, name) VALUES (1, 'Ada')")

    refused = generic.flask("db", "reset", env=at(url), status=255).stdout
    assert "and is meant for development" in refused and str(url.database) in refused
    assert query(url, "SELECT name FROM users") == ["Ada"]

    query(url, "UPDATE alembic_version SET version_num = 'of another branch'")
    done = generic.flask("--debug", "db", "reset", env=at(url))
    assert f"Dropping everything in database default at {url.drivername}" in done.stdout
    assert query(url, "SELECT count(*) FROM users") == [0]
    assert query(url, "SELECT count(*) FROM titles") == [0]
    assert query(url, "SELECT id FROM theirs") == [7]
    assert query(url, "SELECT count(*) FROM alembic_log") == [2]
    assert "r001 (head)" in generic.alembic("current", env=at(url)).stdout


def test_only_the_databases_that_are_migrated_are_dropped(
    rendered: Callable[..., Project], tmp_path: Path
) -> None:
    project = rendered(variant="multidb").copy(tmp_path)
    project.flask("db", "upgrade")
    before = {name: path.stat().st_mtime_ns for name, path in project.databases.items()}
    done = project.flask("db", "-x", "database=auth", "reset", "--yes")
    assert "database auth at" in done.stdout and "default at" not in done.stdout
    after = {name: path.stat().st_mtime_ns for name, path in project.databases.items()}
    assert after["default"] == before["default"] and after["auth"] != before["auth"]
    project.flask("db", "reset", "--yes")
    assert FIRST_REVISION in project.alembic("current").stdout
