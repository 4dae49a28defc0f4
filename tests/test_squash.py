"""One revision takes the place of many: it makes the same, or it is not written."""

import re
import shutil
import sqlite3
import textwrap
from contextlib import closing
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import servers
from kit import ANY, ROOT, Project, commit, git, run
from sqlalchemy import URL, text
from test_log import health
from test_readme import commands

from flask_alembic_kit.inside.squash.state import change

# What SQLAlchemy does not reflect, or not all of it, each with what it is found by afterwards.
PLANTED = {
    "sqlite": {
        "view": "CREATE VIEW names AS SELECT id, name FROM users",
        "trigger": """
            CREATE TRIGGER log AFTER INSERT ON users BEGIN
                UPDATE users SET name = name || strftime('%H:%M a:b') WHERE id = 0; END""",
        "partial index": "CREATE INDEX ix_part ON users (lower(name)) WHERE id > 7",
        "one of columns": "CREATE UNIQUE INDEX ix_name ON users (name) WHERE name NOT IN ('a', 'b:c')",
        "check": "CREATE TABLE checked (a INTEGER CHECK (a > 0), b TEXT CHECK (b <> 'x:y'))",
        "collation": "CREATE TABLE collated (a TEXT COLLATE NOCASE)",
        "rowid": "CREATE TABLE without (a TEXT PRIMARY KEY) WITHOUT ROWID",
        "computed": "CREATE TABLE computed (a INTEGER, b INTEGER AS (a * 2) STORED)",
        "numbers": "CREATE TABLE numbers (id INTEGER PRIMARY KEY AUTOINCREMENT)",
        "number": "INSERT INTO numbers (id) VALUES (41)",
        "number, gone": "DELETE FROM numbers",
        "words": "CREATE VIRTUAL TABLE words USING fts5(word)",
        "a word": "INSERT INTO words (rowid, word) VALUES (7, 'it''s')",
        "words of users": "CREATE VIRTUAL TABLE named USING fts5(name, content=users, content_rowid=id)",
        "kept": """
            CREATE TRIGGER kept AFTER INSERT ON users BEGIN
                INSERT INTO named (rowid, name) VALUES (NEW.id, NEW.name); END""",
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
        "whole index": "CREATE INDEX ix_part_2 ON users (name)",
        "check": "ALTER TABLE users ADD CHECK (twice(id) <> 3) NOT VALID",
        "check of texts": "CREATE TABLE listed (a varchar(9) CHECK (a IN ('x', 'it''s x')))",
        "index of them": "CREATE INDEX ix_listed ON listed (a) WHERE a NOT IN ('p', 'q')",
        "view of them": "CREATE VIEW seen AS SELECT a FROM listed AS l WHERE l.a IN ('x', 'y')",
        "exclusion": "ALTER TABLE users ADD EXCLUDE USING btree (name WITH =)",
        "for the end": "ALTER TABLE users ADD CONSTRAINT late UNIQUE (name) DEFERRABLE INITIALLY DEFERRED",
        "comment": "COMMENT ON TABLE users IS 'It''s :all of them'",
        "comment on a column": "COMMENT ON COLUMN users.name IS '100%'",
        "comment on an index": "COMMENT ON INDEX ix_part IS 'part'",
        "comment on a key": "COMMENT ON CONSTRAINT pk_users ON users IS 'key'",
        "comment on a view": "COMMENT ON VIEW names IS 'names'",
        "enum": "CREATE TYPE mood AS ENUM ('sad', 'it''s')",
        "two columns of it": "CREATE TABLE moods (a mood NOT NULL DEFAULT 'sad', b mood[])",
        "its rows": "INSERT INTO moods VALUES ('sad', '{sad}')",
        "enum of an array only": "CREATE TYPE kind AS ENUM ('a', 'b')",
        "array of it": "CREATE TABLE kinds (a kind[])",
        "domain": "CREATE DOMAIN positive AS int CHECK (VALUE > 0)",
        "type": 'CREATE TYPE pair AS (a int, b positive, c text COLLATE "C")',
        "comment on a part of it": "COMMENT ON CONSTRAINT positive_check ON DOMAIN positive IS 'more than 0'",
        "table of it, too": "CREATE TABLE typed OF pair (PRIMARY KEY (a))",
        "range": 'CREATE TYPE spans AS RANGE (SUBTYPE = text, COLLATION = "C")',
        "column of that": "CREATE TABLE spanned (a spans)",
        "columns": "CREATE TABLE odd (a positive, b pair, c int GENERATED ALWAYS AS IDENTITY (START 7),"
        " d int GENERATED ALWAYS AS (a + 1) STORED, e jsonb, f timestamptz, g bytea, h uuid, listed int)",
        "rows": r"""
            INSERT INTO odd (a, e, f, g) VALUES (1, '{"a": [1, null]}', '2026-01-01 1:00+3', '\xff')""",
        "sequence": "CREATE SEQUENCE invoices START 1000 INCREMENT 5",
        "its number": "SELECT nextval('invoices')",
        "restarted": "ALTER SEQUENCE users_id_seq RESTART 900",
        "sequence of another name": "CREATE TABLE old (id serial PRIMARY KEY)",
        "renamed": "ALTER TABLE old RENAME TO renamed",
        "serial": "CREATE TABLE wide (id serial PRIMARY KEY, made timestamp DEFAULT CURRENT_TIMESTAMP,"
        " seen timestamp DEFAULT now())",
        "wider": "ALTER TABLE wide ALTER id TYPE bigint",
        "collation": 'CREATE TABLE collated (a text COLLATE "C")',
        "ring": "CREATE TABLE rings (id int PRIMARY KEY, owner int REFERENCES users (id))",
        "its other half": "ALTER TABLE users ADD ring int REFERENCES rings (id)",
        "schema": "CREATE SCHEMA other",
        "table of it": "CREATE TABLE other.things (id int PRIMARY KEY, owner int REFERENCES users (id))",
        "rows of it": "INSERT INTO other.things VALUES (1, NULL)",
        "security": "ALTER TABLE users ENABLE ROW LEVEL SECURITY",
        "policy": "CREATE POLICY mine ON users FOR SELECT USING (name = current_user)",
        "partitioned": "CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "partition": "CREATE TABLE part_1 PARTITION OF parts FOR VALUES FROM (1) TO (10)",
        "default partition": "CREATE TABLE part_2 PARTITION OF parts DEFAULT PARTITION BY HASH (id)",
        "its part": "CREATE TABLE part_3 PARTITION OF part_2 FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
        "their rows": "INSERT INTO parts VALUES (2), (99)",
        "index of both": "CREATE INDEX ix_parts ON parts (id)",
        "trigger of both": "CREATE TRIGGER log AFTER INSERT ON parts FOR EACH ROW EXECUTE FUNCTION touch()",
        "disabled in one": "ALTER TABLE part_1 DISABLE TRIGGER log",
        "statistics": "CREATE STATISTICS correlated ON id, name FROM users",
        "how many": "ALTER STATISTICS correlated SET STATISTICS 77",
        "of an expression": "CREATE INDEX ix_lower ON users (lower(name))",
        "and how many": "ALTER INDEX ix_lower ALTER 1 SET STATISTICS 88",
        "comment on them": "COMMENT ON STATISTICS correlated IS 'both'",
        "compressed": "ALTER TABLE users ALTER name SET COMPRESSION pglz",
        "rule": "CREATE RULE stay AS ON DELETE TO rings DO INSTEAD NOTHING",
        "rule, disabled": "ALTER TABLE rings DISABLE RULE stay",
        "extension": "CREATE EXTENSION citext SCHEMA other",
        "clustered": "ALTER TABLE users CLUSTER ON ix_part_2",
        "no data": "CREATE MATERIALIZED VIEW unread AS SELECT id FROM users WITH NO DATA",
        "parent": "CREATE TABLE parent (a int DEFAULT 1, b int)",
        "inherited": "CREATE TABLE child (c int) INHERITS (parent)",
        "another default": "ALTER TABLE child ALTER a SET DEFAULT 2, ALTER b SET NOT NULL",
        "collation of its own": "CREATE COLLATION french (provider = icu, locale = 'fr', deterministic = false)",
        "column of it": "CREATE TABLE menus (name text COLLATE french, at timestamptz, day date)",
        "option": "ALTER TABLE menus SET (toast.autovacuum_enabled = false)",
        "infinity": "INSERT INTO menus VALUES ('crème', 'infinity', '-infinity')",
        "colons": r"INSERT INTO menus VALUES ('\: :smile: x:y:z \:a', NULL, NULL)",
        "its row, and one that inherits": "INSERT INTO parent VALUES (7, 8)",
        "that one": "INSERT INTO child VALUES (1, 2, 3)",
        "coded": "CREATE TABLE coded (id int PRIMARY KEY, code varchar(9) NOT NULL)",
        "unique index": "CREATE UNIQUE INDEX ix_coded ON coded (code)",
        "key to it": "CREATE TABLE codes (code varchar(9) REFERENCES coded (code))",
        "half full": "CREATE TABLE half_full (id int PRIMARY KEY WITH (fillfactor = 50))",
        "function of a domain": "CREATE FUNCTION is_odd(x int) RETURNS bool LANGUAGE sql AS 'SELECT x % 2 = 1'",
        "domain of it": "CREATE DOMAIN odd_number AS int CHECK (is_odd(VALUE))",
        "and of it": "ALTER TYPE pair ADD ATTRIBUTE d odd_number CASCADE",
        "second view": "CREATE VIEW seconds AS SELECT twice(id) AS id, name FROM users",
        "first view, replaced": "CREATE OR REPLACE VIEW names AS SELECT id, name FROM seconds",
        "second function": "CREATE FUNCTION thrice(x int) RETURNS int LANGUAGE sql AS 'SELECT x * 3'",
        "first, replaced": """
            CREATE OR REPLACE FUNCTION twice(x int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT thrice(x) - x'""",
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
        " e datetime(3) DEFAULT now(3) ON UPDATE now(3), f tinyint(1), g bit(3), h text, KEY (d(3)), FULLTEXT (h))",
        "rows": "INSERT INTO odd (a, c, d, e, f, g) VALUES (1, '{\"a\": [1]}', x'ff00', now(3), 2, b'101')",
        "collation": "CREATE TABLE collated (a varchar(9) COLLATE utf8mb4_bin) DEFAULT CHARSET latin1",
        "number": "ALTER TABLE users AUTO_INCREMENT = 41",
        "bytes": "CREATE TABLE files (body blob)",
        "a file": "INSERT INTO files VALUES (x'00ff')",
        "mode": "SET sql_mode = ''",
        "procedure of that mode": "CREATE PROCEDURE lax() SELECT 1",
        "mode again": "SET sql_mode = DEFAULT",
        "sequence": "CREATE /*M! SEQUENCE invoices START WITH 1000 INCREMENT BY 5 */"
        " /*!50708 VIEW invoices AS SELECT 1 AS one */",  # MySQL has none
        "coded": "CREATE TABLE coded (id int PRIMARY KEY, code varchar(9) NOT NULL)",
        "unique index": "CREATE UNIQUE INDEX ix_coded ON coded (code)",
        "key to it": "CREATE TABLE codes (code varchar(9), FOREIGN KEY (code) REFERENCES coded (code))",
        "half a ring": "CREATE TABLE ring_1 (id int unsigned PRIMARY KEY, o int unsigned, t text, "
        "KEY (t(3)), FULLTEXT (t))",
        "half": "CREATE TABLE ring_2 (id int unsigned PRIMARY KEY, o int unsigned, t text, "
        "FULLTEXT (t), CONSTRAINT two FOREIGN KEY (o) REFERENCES ring_1 (id))",
        "closed": "ALTER TABLE ring_1 ADD CONSTRAINT one FOREIGN KEY (o) REFERENCES ring_2 (id)",
    },
}


# What squash might not see at all: a query of it, and what it says.
SEEN: dict[str, dict[str, list[Any]]] = {
    "postgresql": {
        "SELECT indexrelid::regclass::text FROM pg_index WHERE indisclustered": ["ix_part_2"],
        "SELECT relname::text FROM pg_class WHERE relkind = 'm' AND NOT relispopulated": ["unread"],
        """SELECT attname || ' ' || attislocal FROM pg_attribute WHERE attrelid = 'child'::regclass
            AND attnum > 0 ORDER BY attnum""": ["a false", "b false", "c true"],
        """SELECT column_default || is_nullable FROM information_schema.columns
            WHERE table_name = 'child' AND column_name = 'a'""": ["2YES"],
        "SELECT collname || collisdeterministic FROM pg_collation WHERE oid >= 16384": [
            "frenchfalse"
        ],
        "SELECT concat_ws(' ', name, at, day) FROM menus WHERE at IS NOT NULL": [
            "crème infinity -infinity"
        ],
        "SELECT reloftype::regtype::text FROM pg_class WHERE relname = 'typed'": ["pair"],
        "SELECT attcollation::regcollation::text FROM pg_attribute WHERE attrelid = 'pair'::regclass AND attnum = 3": [
            '"C"'
        ],
        "SELECT attcompression FROM pg_attribute WHERE attrelid = 'users'::regclass AND attname = 'name'": [
            "p"
        ],
        "SELECT unnest(reloptions) FROM pg_class WHERE oid = (SELECT reltoastrelid FROM pg_class WHERE relname = 'menus')": [
            "autovacuum_enabled=false"
        ],
        "SELECT stxstattarget FROM pg_statistic_ext": [77],
        "SELECT unnest(reloptions) FROM pg_class WHERE relname = 'half_full_pkey'": [
            "fillfactor=50"
        ],
        "SELECT a FROM ONLY parent": [7],
        "SELECT attstattarget FROM pg_attribute WHERE attrelid = 'ix_lower'::regclass": [88],
        "SELECT ev_enabled FROM pg_rewrite WHERE rulename = 'stay'": ["D"],
        "SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'citext'": [
            "other"
        ],
        "SELECT relname FROM pg_class WHERE relkind = 'i' AND relname ~ 'part_1'": [
            "part_1_pkey",
            "part_1_id_idx",
        ],
    },
    "mysql": {"SELECT sql_mode FROM information_schema.routines WHERE routine_name = 'lax'": [""]},
    "sqlite": {
        "SELECT rowid FROM words WHERE words MATCH 'it'": [7],
        "SELECT rowid FROM named WHERE named MATCH 'it'": [7],
    },
}


# What nobody carries over, with what undoes it.
NAMED = (
    "CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0')",
    "DROP AGGREGATE total(int)",
)


def squash(project: Project, *arguments: str, **options: Any) -> CompletedProcess[str]:
    """Run the command of the documentation, and answer yes."""
    (line,) = commands(ROOT / "docs" / "squash.md")
    program, *words = line.split()
    return project.python("-m", program.replace("-", "_"), *words, "--yes", *arguments, **options)


def refused(project: Project, *arguments: str, **options: Any) -> str:
    """Run a squash that must fail, and change nothing; return its one line."""
    before = files(project)
    done = squash(project, *arguments, status=1, **options)
    assert files(project) == before
    (line,) = done.stderr.splitlines()
    return line.removeprefix("Error: ")


def files(project: Project) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in project.versions.glob("*.py")}


def executes(*statements: str) -> str:
    """Return the body of a revision."""
    texts = [textwrap.dedent(each).replace(":", r"\:") for each in statements]
    return "\n".join(f"op.execute({text!r})" for text in texts)


@pytest.mark.slow
@pytest.mark.parametrize("dialect", PLANTED)
def test_all_that_revisions_make_is_carried_over(
    dialect: str, generic: Project, tmp_path: Path
) -> None:
    """By statements of the server where there is no operation."""
    generic.add_revision(executes(*PLANTED[dialect].values()))
    generic.add_revision(executes("INSERT INTO users (id, name) VALUES (7, 'it''s 100%')"))
    with servers.database(dialect, tmp_path) as url:
        env = servers.at(url)
        commit(generic.folder)
        done = squash(generic, env=env)
        assert "Rows of users in default: 1 copied" in done.stdout
        assert "make the same" in done.stdout
        (source,) = files(generic).values()
        generic.alembic("upgrade", "head", env=env)
        assert {sql: servers.query(url, sql) for sql in SEEN[dialect]} == SEEN[dialect]
        generic.alembic("upgrade", "head", "--sql", env=env)
        generic.alembic("downgrade", "base", env=env)
    assert (b"op.create_table('users'" in source) == (dialect != "postgresql")
    assert (b"setval('users_id_seq', 900, False)" in source) == (dialect == "postgresql")
    tables = {"postgresql": ("moods", "kinds", "listed", "wide", "codes"), "mysql": ("codes",)}
    for table in tables.get(dialect, ()):
        assert f"op.create_table('{table}'".encode() in source


@pytest.mark.slow
def test_what_is_not_carried_over_is_named_and_can_be_copied(generic: Project) -> None:
    """By a role that may make no database, on a server where another may."""
    last = generic.add_revision(*map(executes, NAMED))
    commit(generic.folder)
    with servers.database("postgresql") as url, servers.connect(url) as connection:
        role = str(url.database)
        connection.execute(text(f"CREATE ROLE {role} LOGIN"))
        try:
            env = servers.at(url.set(username=role))
            line = refused(generic, env=env)
            assert (
                "denied to create database. Name a server where one can be made: --scratch URL"
                in line
            )
            there = "--scratch", url.render_as_string(hide_password=False)
            done = squash(generic, *there, env=env, status=1)
            assert (
                f"aggregate public.total(integer): not carried over (revision {last}" in done.stderr
            )
            assert len(files(generic)) == 2
            assert "make the same" in squash(generic, *there, "--copy", last, env=env).stdout
            assert len(files(generic)) == 1
            names = servers.query(url, "SELECT datname FROM pg_database")
            assert not [name for name in names if name.startswith("kit_squash") and role in name]
        finally:
            connection.execute(text(f"DROP ROLE {role}"))


@pytest.mark.slow
def test_the_schema_of_an_app_may_be_made_by_an_admin(generic: Project) -> None:
    """And named by the URL: scratch databases get it, too."""
    generic.add_revision(
        executes("CREATE TABLE things (id serial)", "CREATE VIEW seen AS SELECT * FROM things")
    )
    commit(generic.folder)
    with servers.database("postgresql") as url:
        servers.query(url, 'CREATE SCHEMA "My app"')
        env = servers.at(url.set(query={"options": '-csearch_path="My\\ app"'}))
        assert "downgrades to empty" in squash(generic, env=env).stdout
        generic.alembic("upgrade", "head", env=env)
        assert servers.query(url, 'SELECT count(*) FROM "My app".seen') == [0]


@pytest.mark.slow
def test_the_schema_of_the_version_table_is_there_before_all_revisions(generic: Project) -> None:
    metadata = '"target_metadata": target_metadata,'
    generic.edit("migrations/env.py", metadata, f'{metadata} "version_table_schema": "meta",')
    generic.add_revision(executes("CREATE TABLE meta.things (id serial)"))
    commit(generic.folder)
    with servers.database("postgresql") as url:
        assert "downgrades to empty" in squash(generic, env=servers.at(url)).stdout
        generic.alembic("upgrade", "head", env=servers.at(url))


@pytest.mark.slow
def test_packages_of_mariadb_are_named(generic: Project) -> None:
    package = "CREATE PACKAGE sums AS FUNCTION one() RETURN int; END"
    generic.add_revision(executes("SET sql_mode = 'ORACLE'", package, "SET sql_mode = DEFAULT"))
    commit(generic.folder)
    with servers.database("mysql") as url:
        if "MariaDB" not in servers.query(url, "SELECT version()")[0]:
            pytest.skip("MySQL has none")
        done = squash(generic, env=servers.at(url), status=1)
    assert "package sums: not carried over" in done.stderr


def test_databases_at_the_squashed_revision_need_nothing(generic: Project) -> None:
    """Later revisions stay, one that is behind is told what to do, and the app's own is not touched."""
    connects = "    with app.app_context():\n        db.session.connection()\n    return app\n"
    generic.edit("__init__.py", "    return app\n", connects)
    (tmp,) = {generic.folder.parent}
    generic.add_revision("op.add_column('posts', sa.Column('body', sa.Text()))")
    generic.add_revision("op.create_index('ix_posts_body', 'posts', ['body'])")
    generic.add_revision(
        "op.drop_index('ix_posts_body')", "op.create_index('ix_posts_body', 'posts', ['body'])"
    )
    (first,) = generic.versions.glob("*r001.py")
    first.rename(first.with_name("größe_r001.py"))  # whose name git quotes
    old, behind, new = (
        servers.at(URL.create("sqlite", database=f"{tmp}/{n}.db")) for n in ("old", "behind", "new")
    )
    generic.alembic("upgrade", "r002", env=old)
    generic.alembic("upgrade", "r001", env=behind)
    commit(generic.folder)

    squash(generic, "r002", env=new)

    with closing(sqlite3.connect(f"{tmp}/new.db")) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []
    assert sorted(files(generic)) == ["9000_01_01_000002-r002.py", "9000_01_01_000003-r003.py"]
    assert "WARN" not in generic.alembic("upgrade", "head", env=old).stderr
    line = generic.fails("upgrade", "head", env=behind)
    (commit_id,) = re.findall(
        'replaced_at = "(.*?)"', files(generic)["9000_01_01_000002-r002.py"].decode()
    )
    assert (
        f"is at r001, which was squashed into r002: check out {commit_id}, run alembic upgrade r002"
        in line
    )
    assert health(generic, behind) == (503, "behind", False)
    generic.alembic("upgrade", "head", env=new)
    generic.alembic("downgrade", "r002", env=new)
    assert "Running" not in generic.alembic("upgrade", "r002", env=new).stderr
    generic.alembic("downgrade", "base", env=new)
    missing = "*r001.py", "*5b1f0c3a9d27*"  # as after a kill
    git(generic.folder, "checkout", "--quiet", "HEAD", "--", *missing)
    assert "Deleted 2 revisions" in squash(generic).stdout
    assert sorted(files(generic)) == ["9000_01_01_000002-r002.py", "9000_01_01_000003-r003.py"]


@pytest.mark.slow
def test_what_cannot_be_squashed_is_refused_in_one_line(generic: Project) -> None:
    number = "op.bulk_insert(sa.table('users', sa.column('name')), [{'name': str(n)} for n in range(1001)])"
    generic.add_revision(number)
    generic.add_revision("pass")
    assert "not all in git. Commit them first" in refused(generic)
    commit(generic.folder)
    assert refused(generic, "nowhere") == "Can't locate revision identified by 'nowhere'"
    assert refused(generic, "") == "REV is empty: name the revision to squash up to."
    assert "write 1001 rows (1001 in users), and squash copies 1000 at most" in refused(generic)
    generic.new_revision("--head", "r001", "--splice", "--rev-id", "other", "-m", "other")
    assert "There are 2 heads, other and r002: merge them, or name" in refused(generic)
    assert "Revision other stands on r001, which would be gone: merge" in refused(generic, "r002")
    assert "Not committed: " in refused(generic, "r001")
    (file,) = generic.versions.glob("*r001.py")
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("op.bulk_insert(", "sa.nosuch("), encoding="utf-8")
    assert f"Not committed: flask_app/migrations/versions/{file.name}. " in refused(generic, "r001")
    commit(generic.folder)
    line = refused(generic, "r001")
    assert line.startswith("The revisions do not run on an empty database: AttributeError: module")
    assert f"{file.name}:" in line and ": sa.nosuch(" in line
    file.write_text(f"import nosuch\n{text}", encoding="utf-8")
    line = refused(generic)
    assert line.startswith("The revisions cannot be read: ModuleNotFoundError: No module named")
    assert line.endswith(f"{file.name}:1: import nosuch")
    file.write_text(f"import os\nos.environ['NOSUCH']\n{text}", encoding="utf-8")
    line = refused(generic)
    assert line.startswith("The revisions cannot be read: KeyError: 'NOSUCH', in ")
    file.write_text(
        text.replace("down_revision = ", "down_revision = 'gone' or "), encoding="utf-8"
    )
    assert "has down_revision 'gone', which no file has" in refused(generic)


@pytest.mark.slow
def test_dependencies_between_branches_are_not_cut(generic: Project) -> None:
    apart = ("--head", "base", "--branch-label", "apart", "--rev-id", "a1", "-m", "apart")
    generic.add_revision("pass")
    generic.add_revision("pass")
    generic.new_revision(*apart, "--depends-on", "r001")
    commit(generic.folder)
    stands = "Revision a1 stands on r001, which would be gone: merge its branch into r002 first"
    assert stands in refused(generic, "r002")
    assert "Revision a1 depends on r001 of another branch, which would not" in refused(
        generic, "a1"
    )
    squash(generic, "r001")
    generic.alembic("upgrade", "heads")


@pytest.mark.slow
def test_scratch_databases_that_cannot_be_made_are_said_in_one_line(generic: Project) -> None:
    generic.add_revision("pass")
    commit(generic.folder)
    nowhere = "postgresql+psycopg://postgres:secret@127.0.0.1:1/postgres"
    with servers.database("postgresql") as url:
        line = refused(generic, "--scratch", nowhere, env=servers.at(url))
        other = refused(generic, "--scratch", "mysql://127.0.0.1", env=servers.at(url))
    assert line.startswith("No scratch database can be made") and "secret" not in line
    assert other.startswith("--scratch is not the URL of a server of postgresql.")


@pytest.mark.slow
def test_a_full_disk_is_one_line(generic: Project, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if not shutil.which("mount"):
        pytest.skip("there is no mount")
    tmpfs = ("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small)
    if run(*tmpfs, cwd=tmp_path, status=ANY).returncode:
        pytest.skip("this user may not mount a file system")
    try:
        generic.add_revision("pass")
        commit(generic.folder)
        assert "database or disk is full" in refused(generic, env={"TMPDIR": str(small)})
        assert not [*small.iterdir()]
    finally:
        run("umount", small, cwd=tmp_path)


@pytest.mark.slow
def test_a_revision_that_fails_or_differs_is_said_in_short_lines(generic: Project) -> None:
    twice = generic.add_revision(executes("INSERT INTO users (name) VALUES (hex(randomblob(9)))"))
    commit(generic.folder)
    line, _, end = squash(generic, "--copy", twice, status=1).stderr.strip().splitlines()
    assert end.startswith("Not the same")
    assert line.startswith("rows of users: nothing before, (2, '")
    generic.add_revision("op.execute('SELECT nothing FROM nowhere')")
    commit(generic.folder)
    assert "do not run on an empty database: " in refused(generic)


def test_a_difference_is_shown_where_it_is() -> None:
    long = "x" * 200
    shown = f"...{'x' * 50}"
    assert change([f"{long}a"], [f"{long}b"]) == f"{shown}a before, {shown}b now"
    assert change(["a", "b"], ["b", "a"]) == "other order"


@pytest.mark.slow
def test_several_databases_and_branches(multidb: Project) -> None:
    """Each gets what is its own; a branch that was merged is one with its labels."""
    multidb.add_revision("op.add_column('posts', sa.Column('body', sa.Text()))")
    multidb.add_revision(
        "op.execute('CREATE VIEW v AS SELECT id FROM posts')",
        upgrade_auth="op.execute(\"INSERT INTO users (id, name) VALUES (1, 'Ada')\")",
    )
    multidb.new_revision(
        "--head", "r001", "--splice", "--rev-id", "other", "--branch-label", "side", "-m", "x"
    )
    multidb.alembic("merge", "heads", "--rev-id", "merged", "-m", "merged")
    multidb.alembic("upgrade", "head")
    before = {name: multidb.schema(name) for name in multidb.databases}
    commit(multidb.folder)
    done = squash(multidb)
    assert "Rows of users in auth: 1 copied" in done.stdout
    (text,) = files(multidb).values()
    assert b"'side'" in text
    multidb.alembic("upgrade", "head")
    for file in multidb.databases.values():
        file.unlink()
    multidb.alembic("upgrade", "side@head")
    assert {n: {*found} for n, found in before.items()} == {n: {*multidb.schema(n)} for n in before}
    multidb.alembic("downgrade", "base")
    assert multidb.tables() == {"alembic_version"}


@pytest.mark.slow
def test_databases_of_two_kinds_may_have_one_name(multidb: Project) -> None:
    """On servers of this machine whose URLs need no port."""
    multidb.add_revision("op.add_column('posts', sa.Column('body', sa.Text()))")
    with servers.database("mysql") as first, servers.database("postgresql") as other:
        if (first.port, other.port) != (3306, 5432):
            pytest.skip("the ports have to be in the URLs")
        server = servers.server("postgresql")
        servers.query(server, f"ALTER DATABASE {other.database} RENAME TO {first.database}")
        try:
            urls = [url._replace(port=None) for url in (first, other.set(database=first.database))]
            env = servers.at(urls[0]) | servers.at(urls[1], "AUTH_DATABASE_URL")
            multidb.alembic("upgrade", "head", env=env)
            commit(multidb.folder)
            assert "downgrades to empty" in squash(multidb, env=env).stdout
            multidb.alembic("upgrade", "head", env=env)
        finally:
            servers.query(server, f"ALTER DATABASE {first.database} RENAME TO {other.database}")


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["sqlite", "postgresql", "mysql"])
def test_random_histories_are_the_same_squashed(
    dialect: str, generic: Project, tmp_path: Path
) -> None:
    with servers.database(dialect, tmp_path) as url:
        driver = str(Path(__file__).with_name("evolve.py"))
        done = generic.python(
            *(driver, generic.package, "--histories", "1", "--seed", "3", "--squash"),
            env={**servers.at(url), "PYTHONPATH": str(generic.folder)},
        )
    assert "1 histories" in done.stdout
