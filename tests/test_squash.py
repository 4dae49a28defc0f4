"""One revision takes the place of many: it makes the same, or it is not written."""

import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import servers
from kit import Project, run
from sqlalchemy import URL

GIT = ("git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org")

# What SQLAlchemy does not reflect, or not all of it, each with what it is found by afterwards.
PLANTED = {
    "sqlite": {
        "view": "CREATE VIEW names AS SELECT id, name FROM users",
        "trigger": """
            CREATE TRIGGER log AFTER INSERT ON users BEGIN
                UPDATE users SET name = name || strftime('%H:%M a:b') WHERE id = 0; END""",
        "partial index": "CREATE INDEX ix_part ON users (lower(name)) WHERE id > 7",
        "check": "CREATE TABLE checked (a INTEGER CHECK (a > 0), b TEXT CHECK (b <> 'x:y'))",
        "collation": "CREATE TABLE collated (a TEXT COLLATE NOCASE)",
        "rowid": "CREATE TABLE without (a TEXT PRIMARY KEY) WITHOUT ROWID",
        "computed": "CREATE TABLE computed (a INTEGER, b INTEGER AS (a * 2) STORED)",
        "numbers": "CREATE TABLE numbers (id INTEGER PRIMARY KEY AUTOINCREMENT)",
        "number": "INSERT INTO numbers (id) VALUES (41)",
        "number, gone": "DELETE FROM numbers",
    },
    "postgresql": {
        "view": "CREATE VIEW names AS SELECT id, name FROM users",
        "stored view": "CREATE MATERIALIZED VIEW stored AS SELECT id FROM names",
        "index of it": "CREATE UNIQUE INDEX ix_stored ON stored (id)",
        "function": "CREATE FUNCTION twice(x int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT x * 2'",
        "function of a trigger": """
            CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN NEW.name := NEW.name || ' %s:x'; RETURN NEW; END $$""",
        "trigger": "CREATE TRIGGER log BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION touch()",
        "disabled": "ALTER TABLE users DISABLE TRIGGER log",
        "partial index": "CREATE INDEX ix_part ON users (name text_pattern_ops) WHERE id > 7",
        "check": "ALTER TABLE users ADD CHECK (twice(id) <> 3) NOT VALID",
        "exclusion": "ALTER TABLE users ADD EXCLUDE USING btree (name WITH =)",
        "comment": "COMMENT ON TABLE users IS 'It''s :all of them'",
        "comment on a column": "COMMENT ON COLUMN users.name IS '100%'",
        "comment on an index": "COMMENT ON INDEX ix_part IS 'part'",
        "comment on a key": "COMMENT ON CONSTRAINT pk_users ON users IS 'key'",
        "comment on a view": "COMMENT ON VIEW names IS 'names'",
        "enum": "CREATE TYPE mood AS ENUM ('sad', 'it''s')",
        "two columns of it": "CREATE TABLE moods (a mood NOT NULL DEFAULT 'sad', b mood[])",
        "its rows": "INSERT INTO moods VALUES ('sad', '{sad}')",
        "domain": "CREATE DOMAIN positive AS int CHECK (VALUE > 0)",
        "type": "CREATE TYPE pair AS (a int, b positive)",
        "columns": "CREATE TABLE odd (a positive, b pair, c int GENERATED ALWAYS AS IDENTITY (START 7),"
        " d int GENERATED ALWAYS AS (a + 1) STORED, e jsonb, f timestamptz, g bytea, h uuid)",
        "rows": r"""
            INSERT INTO odd (a, e, f, g) VALUES (1, '{"a": [1, null]}', '2026-01-01 1:00+3', '\xff')""",
        "sequence": "CREATE SEQUENCE invoices START 1000 INCREMENT 5",
        "its number": "SELECT nextval('invoices')",
        "sequence of another name": "CREATE TABLE old (id serial PRIMARY KEY)",
        "renamed": "ALTER TABLE old RENAME TO renamed",
        "collation": 'CREATE TABLE collated (a text COLLATE "C")',
        "schema": "CREATE SCHEMA other",
        "table of it": "CREATE TABLE other.things (id int PRIMARY KEY, owner int REFERENCES users (id))",
        "rows of it": "INSERT INTO other.things VALUES (1, NULL)",
        "security": "ALTER TABLE users ENABLE ROW LEVEL SECURITY",
        "policy": "CREATE POLICY mine ON users FOR SELECT USING (name = current_user)",
        "partitioned": "CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "partition": "CREATE TABLE part_1 PARTITION OF parts FOR VALUES FROM (1) TO (10)",
        "its row": "INSERT INTO parts VALUES (2)",
        "statistics": "CREATE STATISTICS correlated ON id, name FROM users",
    },
    "mysql": {
        "view": "CREATE VIEW names AS SELECT id, name FROM users",
        "view of it": "CREATE VIEW a_first AS SELECT id FROM names",
        "function": "CREATE FUNCTION twice(x int) RETURNS int DETERMINISTIC RETURN x * 2",
        "trigger": "CREATE TRIGGER log BEFORE UPDATE ON users FOR EACH ROW SET NEW.name = '%s:x'",
        "check": "ALTER TABLE users ADD CONSTRAINT odd CHECK (name <> 'x:y')",
        "comment": "ALTER TABLE users COMMENT 'It''s :all of them'",
        "enum": "CREATE TABLE moods (a ENUM('sad', 'it''s') NOT NULL DEFAULT 'sad', b SET('x', 'y'))",
        "its rows": "INSERT INTO moods VALUES ('sad', 'x,y')",
        "columns": "CREATE TABLE odd (a int unsigned, b int AS (a * 2) STORED, c json, d varbinary(9),"
        " e datetime(3) DEFAULT now(3) ON UPDATE now(3), f tinyint(1), KEY (d(3)), FULLTEXT (c))",
        "rows": "INSERT INTO odd (a, c, d, e, f) VALUES (1, '{\"a\": [1]}', x'ff00', now(3), 2)",
        "collation": "CREATE TABLE collated (a varchar(9) COLLATE utf8mb4_bin) DEFAULT CHARSET latin1",
        "number": "ALTER TABLE users AUTO_INCREMENT = 41",
        "sequence": "CREATE SEQUENCE invoices START WITH 1000 INCREMENT BY 5",
    },
}


@contextmanager
def database(dialect: str, folder: Path) -> Iterator[URL]:
    if dialect == "sqlite":
        yield URL.create("sqlite", database=(folder / "app.db").as_posix())
        return
    with servers.database(dialect) as url:
        yield url


def commit(project: Project) -> None:
    run("git", "init", "--quiet", cwd=project.folder)
    run("git", "add", "--all", cwd=project.folder)
    run(*GIT, "commit", "--quiet", "--message", "as it is", cwd=project.folder)


def squash(project: Project, *arguments: str, **options: Any) -> CompletedProcess[str]:
    return project.python("-m", "flask_alembic_kit", "squash", "--yes", *arguments, **options)


@pytest.mark.parametrize("dialect", PLANTED)
def test_all_that_revisions_make_is_carried_over(dialect: str, generic: Project, tmp_path: Path) -> None:
    for statement in PLANTED[dialect].values():
        literal = textwrap.dedent(statement).replace(":", r"\:")
        generic.add_revision(f"op.execute({literal!r})")
    with database(dialect, tmp_path) as url:
        commit(generic)
        done = squash(generic, env=servers.at(url))
    print(done.stdout)
    assert "make the same" in done.stdout
    assert len([*generic.versions.glob("*.py")]) == 1
