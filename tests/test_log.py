"""The log of what was applied: old code knows a newer database, and an edited revision is named."""

import os
from pathlib import Path
from typing import Any

import pytest
from kit import ANY, FIRST_REVISION, Project
from servers import at, connect, database, query, tables
from sqlalchemy import URL, make_url, text

KINDS = ["sqlite", "postgresql", "mysql"]
COLUMNS = "revision, down_revision, direction, stamped"
NEWER = 5


def logged(url: URL, table: str = "alembic_log") -> list[tuple[object, ...]]:
    """Return what the log says of each step: its revisions, the direction, whether by stamp."""
    with connect(url) as connection:
        rows = connection.execute(text(f"SELECT {COLUMNS} FROM {table} ORDER BY id"))
        return [(*row[:3], bool(row[3])) for row in rows]


def test_every_step_is_logged(generic: Project, url: URL) -> None:
    generic.add_revision("time.sleep(0.3)")
    generic.alembic("upgrade", FIRST_REVISION, env=at(url))
    for command in ("upgrade head", "downgrade -1", "stamp head", "downgrade base", "stamp r001"):
        generic.alembic(*command.split(), env=at(url))
    first = (FIRST_REVISION, None)
    second = ("r001", FIRST_REVISION)
    assert logged(url) == [
        (*first, "up", False),
        (*second, "up", False),
        (*second, "down", False),
        (*second, "up", True),
        (*second, "down", False),
        (*first, "down", False),
        ("r001", None, "up", True),
    ]
    assert query(url, "SELECT seconds FROM alembic_log WHERE id = 2")[0] >= 0.3
    shown = generic.flask("db", "applied", env=at(url)).stdout.splitlines()
    assert len(shown) == 7
    assert "  up            r001" in shown[1] and "kit 0.2.0" in shown[1]
    assert "  stamped up    r001" in shown[3]


def test_log_is_no_change_to_autogenerate_and_no_op_makes_none(generic: Project, url: URL) -> None:
    generic.alembic("upgrade", "head", env=at(url))
    generic.alembic("check", env=at(url))
    query(url, "DROP TABLE alembic_log")
    generic.alembic("upgrade", "head", env=at(url))
    with connect(url) as connection:
        assert not connection.dialect.has_table(connection, "alembic_log")
    assert generic.flask("db", "applied", env=at(url)).stdout == ""


def test_revision_that_drops_the_log_is_told(generic: Project) -> None:
    generic.add_revision('op.drop_table("alembic_log")')
    line = generic.fails("upgrade", "head")
    assert "Nothing of this run is kept. No revision may drop that log." in line


@pytest.mark.parametrize(
    "table", ["of the app", pytest.param("of another kit", marks=pytest.mark.slow)]
)
def test_log_that_cannot_be_written_is_named(generic: Project, url: URL, table: str) -> None:
    """Nothing that the kit has not made is changed, and it says how to go on."""
    generic.alembic("upgrade", "head", env=at(url))
    generic.add_revision('op.create_table("t", sa.Column("a", sa.Integer))')
    if table == "of the app":
        query(url, "DROP TABLE alembic_log")
        query(url, "CREATE TABLE alembic_log (a INTEGER)")
    else:
        query(url, "ALTER TABLE alembic_log DROP COLUMN code")
    line = generic.fails("upgrade", "head", env=at(url))
    assert "_log" in line and "If none does: update the kit, or rename it." in line
    assert "t" not in tables(url)
    assert query(url, "SELECT version_num FROM alembic_version") == [FIRST_REVISION]
    query(url, "ALTER TABLE alembic_log RENAME TO alembic_log_old")
    generic.alembic("upgrade", "head", env=at(url))
    assert query(url, "SELECT revision FROM alembic_log") == ["r001"]


def test_long_ids_of_revisions_are_logged(generic: Project) -> None:
    """As of projects that have made the column of the version longer."""
    name = "a_name_instead_of_a_number_in_hexadecimal_digits"
    path = generic.versions / "9000_long.py"
    body = f"revision, down_revision = {name!r}, {FIRST_REVISION!r}\n\ndef upgrade(): ...\n"
    path.write_text(body, encoding="utf-8")
    with database("postgresql", generic.folder) as url:
        query(url, "CREATE TABLE alembic_version (version_num VARCHAR(99) NOT NULL PRIMARY KEY)")
        generic.alembic("upgrade", "head", env=at(url))
        assert query(url, "SELECT revision FROM alembic_log") == [FIRST_REVISION, name]


def test_callback_of_the_project_is_called_too(generic: Project, url: URL) -> None:
    generic.set_config(
        "ALEMBIC_CONTEXT",
        '{"on_version_apply": lambda **found: print("seen", found["step"].up_revision_id)}',
    )
    done = generic.alembic("upgrade", "head", env=at(url))
    assert f"seen {FIRST_REVISION}" in done.stdout
    assert len(logged(url)) == 1


@pytest.mark.slow
def test_two_projects_share_a_database(generic: Project, tmp_path: Path) -> None:
    other = generic.copy(tmp_path / "other")
    other.set_config("ALEMBIC_CONTEXT", '{"version_table": "alembic_version_blog"}')
    for path in (*other.versions.glob("*.py"), other.folder / other.package / "models.py"):
        text = path.read_text(encoding="utf-8")
        for name in ("users", "posts"):
            text = text.replace(f"{name}", f"blog_{name}")
        path.write_text(text.replace(FIRST_REVISION, "b1"), encoding="utf-8")
    env = at(make_url(f"sqlite:///{tmp_path}/shop.db"))
    for project, tables_of_other in (
        (generic, ["blog_users", "blog_posts", "alembic_version_blog", "alembic_log_blog"]),
        (other, ["users", "posts", "alembic_version", "alembic_log"]),
    ):
        project.edit("migrations/env.py", "set[str] = set()", f"set[str] = {{*{tables_of_other}}}")
        project.alembic("upgrade", "head", env=env)
    for project in (generic, other):
        project.alembic("check", env=env)
        assert health(project, env) == (200, "ok", True)


def as_old_code(project: Project, folder: Path) -> Project:
    """Return a copy of a project from before the revisions that follow."""
    return project.copy(folder / "old")


def test_old_code_knows_that_the_database_is_newer(
    generic: Project, url: URL, tmp_path: Path
) -> None:
    env = at(url)
    generic.alembic("upgrade", "head", env=env)
    old = as_old_code(generic, tmp_path)
    generic.add_revision("pass")
    generic.add_revision("pass")
    generic.alembic("upgrade", "head", env=env)
    for command in ("upgrade", "upgrade heads"):
        done = old.flask("db", *command.split(), env=env)
        (line,) = [line for line in done.stderr.splitlines() if "newer" in line]
        assert (
            f"Database 'default' is newer than this code: it is at r002, after {FIRST_REVISION}."
            in line
        )
        assert "nothing to do" in line
    for command in ("check", "current", "downgrade -1", "stamp head", "upgrade +1"):
        done = old.alembic(*command.split(), env=env, status=ANY)
        assert done.returncode == NEWER, (command, done.stdout, done.stderr)
        assert "Database 'default' is newer than this code" in done.stdout
    assert health(old, env) == (200, "newer", True)
    assert query(url, "SELECT version_num FROM alembic_version") == ["r002"]
    generic.alembic("downgrade", FIRST_REVISION, env=env)
    done = old.alembic("upgrade", "head", env=env)
    assert "newer" not in done.stderr
    assert health(old, env) == (200, "ok", True)


def health(project: Project, env: dict[str, str]) -> tuple[int, str, bool]:
    """Return what /health answers: the status, and what it says of the default database."""
    code = f"""
from {project.package} import create_app
response = create_app().test_client().get("/health")
state = response.json["default"]
print(response.status_code, state["status"], state["ok"])
"""
    status, word, ok = project.python("-c", code, env=env).stdout.split()
    return int(status), word, ok == "True"


def test_database_of_other_code_is_an_error_with_advice(
    generic: Project, url: URL, tmp_path: Path
) -> None:
    """The head of one is not in the past that the other has made."""
    env = at(url)
    old = as_old_code(generic, tmp_path)
    old.add_revision("pass")
    path = next(old.versions.glob("*r001*"))
    path.write_text(path.read_text(encoding="utf-8").replace("r001", "mine"), encoding="utf-8")
    generic.add_revision("pass")
    generic.alembic("upgrade", "head", env=env)
    line = old.fails("upgrade", "head", env=env)
    assert (
        "Database 'default' is at r001" in line and "mine" in line and "stamp --purge REV" in line
    )
    assert health(old, env) == (503, "unknown", False)
    assert "nothing" not in line
    old.alembic("stamp", "--purge", FIRST_REVISION, env=env)
    old.alembic("upgrade", "head", env=env)
    assert health(old, env)[0] == 200


def test_head_that_was_left_by_a_downgrade_is_not_in_the_past(
    generic: Project, url: URL, tmp_path: Path
) -> None:
    env = at(url)
    old = as_old_code(generic, tmp_path)
    old.add_revision("pass")
    old.alembic("upgrade", "head", env=env)
    old.alembic("downgrade", "-1", env=env)
    generic.add_revision("pass")
    path = next(generic.versions.glob("*r001*"))
    path.write_text(path.read_text(encoding="utf-8").replace("r001", "other"), encoding="utf-8")
    generic.alembic("upgrade", "head", env=env)
    assert "is at other" in old.fails("upgrade", "head", env=env)


def test_newer_database_does_not_keep_the_others_back(multidb: Project, tmp_path: Path) -> None:
    urls = [make_url(f"sqlite:///{tmp_path / name}.db") for name in ("default", "auth")]
    env = at(urls[0]) | at(urls[1], "AUTH_DATABASE_URL")
    old = as_old_code(multidb, tmp_path)
    multidb.add_revision("pass")
    multidb.alembic("-x", "database=default", "upgrade", "head", env=env)
    done = old.alembic("upgrade", "head", env=env)
    assert "Database 'default' is newer than this code" in done.stderr
    assert "users" in tables(urls[1])


def usual(cases: dict[str, Any], *names: str) -> list[Any]:
    """Return the names of cases; those that are not among these are slow."""
    return [each if each in names else pytest.param(each, marks=pytest.mark.slow) for each in cases]


EDITS = {
    "comment": ("pass", "pass  # more", False),
    "whitespace": ("    pass", "\n    pass\n\n", False),
    "quotes": ("revision = 'r001'", 'revision = "r001"', False),
    "statement": ("pass", "print(1)", True),
    "number": ("pass", "op.execute('SELECT 1')", True),
}


WORDS = r"""
one = meaning(b"'doc'\nop.execute('a  #b', x=[1, 2])  # c\n")
assert one == meaning(b'op.execute(\n    "a  #b",\n    x=[\n        1,  # c\n        2,\n    ],\n)\n')
for other in (b"'a #b', x=[1, 2]", b"'a  #c', x=[1, 2]", b"'a  #b', x=[1, 3]", b"'a  #b', x=[2, 1]"):
    assert one != meaning(b"op.execute(" + other + b")")
"""


def test_formatters_do_not_edit_a_revision(generic: Project) -> None:
    module = f"{generic.package}.migrations.kit.checksum"
    generic.python("-c", f"from {module} import meaning\n{WORDS}")


@pytest.mark.parametrize("edit", usual(EDITS, "comment", "quotes", "statement"))
def test_edited_revision_is_named(generic: Project, tmp_path: Path, edit: str) -> None:
    env = at(make_url(f"sqlite:///{tmp_path / 'database.db'}"))
    revision = generic.add_revision("pass")
    generic.add_revision("pass")
    generic.alembic("upgrade", "head", env=env)
    old, new, counts = EDITS[edit]
    path = next(generic.versions.glob(f"*{revision}*"))
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    said = f"Database 'default': Revision {revision} was edited after it had been applied here"
    for command in ("upgrade head", "check"):
        assert (said in generic.alembic(*command.split(), env=env).stderr) == counts
        strict = {**env, "MIGRATION_EDITED": "error"}
        done = generic.alembic(*command.split(), env=strict, status=None if counts else 0)
        assert (said in done.stdout) == counts
    shown = generic.flask("db", "applied", env=env).stdout.splitlines()
    assert [line.endswith("edited since") for line in shown] == [False, counts, False]
    generic.alembic("downgrade", FIRST_REVISION, env=env)
    assert said not in generic.alembic("check", env=env, status=3).stderr
    assert said not in generic.alembic("upgrade", "head", env=env).stderr


def test_revision_put_before_an_applied_one_is_told(generic: Project, tmp_path: Path) -> None:
    """As a rebase does; what the documentation says brings it in."""
    env = at(make_url(f"sqlite:///{tmp_path / 'database.db'}"))
    generic.add_revision("pass")
    generic.alembic("upgrade", "head", env=env)
    generic.add_revision('op.create_table("t", sa.Column("a", sa.Integer))')
    first, second = (next(generic.versions.glob(f"*{name}*")) for name in ("r001", "r002"))
    text = second.read_text(encoding="utf-8")
    second.write_text(text.replace("down_revision = 'r001'", f"down_revision = '{FIRST_REVISION}'"))
    text = first.read_text(encoding="utf-8")
    first.write_text(text.replace(f"down_revision = '{FIRST_REVISION}'", "down_revision = 'r002'"))
    said = generic.alembic("upgrade", "head", env=env).stderr
    assert "Revision r001 was edited after it had been applied here: undo that" in said
    first.write_text(text)
    generic.alembic("merge", "heads", "-m", "join", env=env)
    generic.alembic("upgrade", "head", env=env)
    assert "t" in tables(make_url(env["DATABASE_URL"]))


def test_compiled_revisions_are_not_edited(generic: Project, tmp_path: Path) -> None:
    env = {**at(make_url(f"sqlite:///{tmp_path / 'database.db'}")), "MIGRATION_EDITED": "error"}
    ini = generic.folder / "alembic.ini"
    ini.write_text(ini.read_text("utf-8").replace("[alembic]", "[alembic]\nsourceless = true", 1))
    (path,) = generic.versions.glob("*.py")
    source = path.read_bytes()
    generic.alembic("upgrade", "head", env=env)
    for seconds in (1, 2):  # compiled, a file also has the time of its source
        path.write_bytes(source)
        os.utime(path, (seconds, seconds))
        generic.python("-m", "compileall", "-q", "-b", str(generic.versions))
        path.unlink()
        generic.alembic("check", env=env)
        generic.alembic("downgrade", "base", env=env)
        generic.alembic("upgrade", "head", env=env)
    path.write_bytes(source)
    generic.alembic("check", env=env)


@pytest.mark.parametrize("kind", KINDS)
def test_edited_revision_is_accepted(generic: Project, tmp_path: Path, kind: str) -> None:
    revision = generic.add_revision("pass")
    with database(kind, tmp_path) as url:
        strict = {**at(url), "MIGRATION_EDITED": "error"}
        generic.alembic("upgrade", "head", env=strict)
        path = next(generic.versions.glob(f"*{revision}*"))
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("pass", "print(1)", 1), encoding="utf-8")
        line = generic.fails("upgrade", "head", env=strict)
        assert f"or accept it: alembic -x accept={revision} upgrade head." in line
        done = generic.alembic("-x", f"accept={revision}", "upgrade", "head", env=strict)
        assert f"revision {revision} is accepted as it is now" in done.stderr
        generic.alembic("upgrade", "head", env=strict)
        assert logged(url)[2:] == [(revision, FIRST_REVISION, "up", True)]


def test_sql_has_rows_of_the_log(generic: Project) -> None:
    generic.add_revision("pass")
    with database("postgresql", generic.folder) as url:
        for way in ("upgrade head", "downgrade head:base"):
            for statement in generic.alembic(*way.split(), "--sql", env=at(url)).stdout.split(
                ";\n"
            ):
                query(url, statement.strip() or "SELECT 1")
        rows = logged(url)
        assert [row[0] for row in rows] == [FIRST_REVISION, "r001", "r001", FIRST_REVISION]
        assert [row[2] for row in rows] == ["up", "up", "down", "down"]


COMMITS = {
    "statement": "op.execute('COMMIT')",
    "block": "with op.get_context().autocommit_block(): op.execute('SELECT 1')",
    "caller": "op.get_bind().commit()",
    "driver": "op.get_bind().connection.commit()",
}


@pytest.mark.parametrize("commit", usual(COMMITS, "statement", "caller", "driver"))
def test_revision_that_commits_is_not_run_again(generic: Project, url: URL, commit: str) -> None:
    """A later one fails: what was committed is logged, and the mended run goes on from there."""
    generic.add_revision("pass")
    for number in range(2):
        table = f"op.create_table('once{number}', sa.Column('id', sa.Integer()))"
        generic.add_revision(f"{table}\n{COMMITS[commit]}")
    last = generic.add_revision("raise ValueError")
    generic.alembic("upgrade", "head", env=at(url), status=None)
    assert query(url, "SELECT version_num FROM alembic_version") == ["r003"]
    assert [row[0] for row in logged(url)] == [FIRST_REVISION, "r001", "r002", "r003"]
    path = next(generic.versions.glob(f"*{last}*"))
    path.write_text(path.read_text("utf-8").replace("raise ValueError", "pass"), "utf-8")
    generic.alembic("upgrade", "head", env=at(url))
    assert query(url, "SELECT version_num FROM alembic_version") == [last]


@pytest.mark.parametrize("commit", usual(COMMITS, "statement", "caller", "driver"))
def test_what_follows_a_commit_within_a_run_is_kept(
    generic: Project, url: URL, commit: str
) -> None:
    """Whoever commits, and whether Alembic knows of it: the next revision, and the last one's id."""
    generic.add_revision(COMMITS[commit])
    generic.add_revision("op.create_table('later', sa.Column('id', sa.Integer()))")
    generic.alembic("upgrade", "head", env=at(url))
    assert query(url, "SELECT version_num FROM alembic_version") == ["r002"]
    assert query(url, "SELECT count(*) FROM later") == [0]
    assert logged(url)[-1][0] == "r002"
    last = generic.add_revision(COMMITS[commit])
    each = '**kit.options(dialect), "transaction_per_migration": True,'
    generic.edit("migrations/env.py", "**kit.options(dialect),", each)
    generic.alembic("upgrade", "head", env=at(url))
    assert query(url, "SELECT version_num FROM alembic_version") == [last]
