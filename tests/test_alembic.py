"""A rendered project, migrated by real ``alembic`` processes."""

import os
import re
import shutil
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import servers
from kit import Project, run, start
from test_guard import wait_for_line

TABLES = {
    "generic": {"default": {"users", "posts"}},
    "multidb": {"default": {"posts"}, "auth": {"users"}},
}


# The exit statuses of `alembic check`.
NOT_AT_HEAD = 3
MODELS_DIFFER = 4

# What somebody has done to the database, and how `check` says that.
DIFFERENT = """
    CREATE TABLE old (id INTEGER);
    DROP TABLE posts;
    CREATE TABLE posts (id SERIAL CONSTRAINT pk_posts PRIMARY KEY, title VARCHAR(9) DEFAULT 'x', gone INTEGER,
        author_id INTEGER NOT NULL, CONSTRAINT uq_gone UNIQUE (gone));
    CREATE INDEX ix_gone ON posts (gone);
    COMMENT ON TABLE posts IS 'old';
    COMMENT ON COLUMN posts.title IS 'its title'
"""
WORDS = """
  + foreignkey fk_posts_author_id_users of posts
  + index ix_posts_author_id of posts
  + posts.created_at: TIMESTAMP WITHOUT TIME ZONE
  - index ix_gone of posts
  - posts.gone: INTEGER
  - table old
  - unique uq_gone of posts
  posts.title: NULL -> NOT NULL
  posts.title: VARCHAR(9) -> VARCHAR(200)
  posts.title: comment 'its title' -> None
  posts.title: default 'x'::character varying -> None
  posts: comment 'old' -> None
"""


def operations(revision: str, function: str) -> list[str]:
    """Return the names of the operations that a function of a revision calls."""
    body = re.search(rf"^def {function}\(.*?(?=^def |\Z)", revision, re.MULTILINE | re.DOTALL)
    assert body, f"no {function}() in {revision}"
    return re.findall(r"(?:op|batch_op)\.(?!f\b|batch_alter_table)(\w+)", body[0])


def upgrade_of(project: Project, database: str = "default") -> str:
    return f"upgrade_{database}" if project.variant == "multidb" else "upgrade"


def test_upgrade_makes_each_table_in_its_own_database_only(project: Project) -> None:
    project.alembic("upgrade", "head")
    for database, tables in TABLES[project.variant].items():
        assert project.tables(database) == tables | {"alembic_version"}


def test_changed_model_gives_exactly_that_operation(migrated: Project) -> None:
    migrated.add_column()
    revision = migrated.new_revision("--autogenerate", "-m", "add body")
    assert operations(revision, upgrade_of(migrated)) == ["add_column"]
    assert "sa.Column('body', sa.String(), nullable=True)" in revision
    if migrated.variant == "multidb":
        assert operations(revision, "upgrade_auth") == []
    migrated.alembic("upgrade", "head")
    assert "body" in migrated.schema()["posts"]
    migrated.alembic("check")
    migrated.alembic("downgrade", "-1")
    assert "body" not in migrated.schema()["posts"]


def test_check_fails_when_models_and_database_differ(migrated: Project) -> None:
    migrated.alembic("check")
    migrated.add_column()
    done = migrated.alembic("check", status=MODELS_DIFFER)
    assert "Database default differs from its models:\n  + posts.body: " in done.stdout
    assert "auth" not in done.stdout


def test_check_says_in_words_what_differs(generic: Project) -> None:
    """What is in the models only has a +, what is in the database only a -."""
    with servers.database("postgresql") as url:
        env = servers.at(url)
        generic.alembic("upgrade", "head", env=env)
        servers.query(url, DIFFERENT)
        done = generic.alembic("check", status=MODELS_DIFFER, env=env)
    assert sorted(done.stdout.splitlines()[1:-1]) == WORDS.splitlines()[1:]


def test_check_has_a_status_of_its_own_for_databases_that_are_behind(project: Project) -> None:
    line = "FAILED: Database {!r} is not at head: run alembic upgrade head.\n"
    for name in project.databases:
        assert project.alembic("check", status=NOT_AT_HEAD).stdout == line.format(name)
        if project.variant == "multidb":
            project.alembic("-x", f"database={name}", "upgrade", "head")
    project.alembic("upgrade", "head")
    project.alembic("check")
    project.add_revision("pass")
    project.alembic("revision", "--autogenerate", "-m", "x", status=NOT_AT_HEAD)
    assert "Traceback" in project.alembic("--raiseerr", "check", status=1).stderr


def test_changed_type_and_server_default_are_seen(migrated: Project) -> None:
    migrated.edit("models.py", "String(200)", "String(300)")
    migrated.edit("models.py", "server_default=func.now()", 'server_default="2026-01-01"')
    revision = migrated.new_revision("--autogenerate", "-m", "longer")
    assert operations(revision, upgrade_of(migrated)) == ["alter_column", "alter_column"]
    migrated.alembic("upgrade", "head")
    migrated.alembic("check")


def test_dropped_unique_constraint_is_migrated_in_batch_mode(migrated: Project) -> None:
    database = "auth" if migrated.variant == "multidb" else "default"
    migrated.edit("models.py", "String(80), unique=True", "String(80)")
    revision = migrated.new_revision("--autogenerate", "-m", "drop unique")
    assert operations(revision, upgrade_of(migrated, database)) == ["drop_constraint"]
    migrated.alembic("upgrade", "head")
    assert "UNIQUE" not in migrated.schema(database)["users"]
    migrated.alembic("downgrade", "-1")
    assert "uq_users_name UNIQUE" in migrated.schema(database)["users"]


def test_autogenerate_without_a_change_writes_no_revision(migrated: Project) -> None:
    before = sorted(migrated.versions.iterdir())
    done = migrated.alembic("revision", "--autogenerate", "-m", "nothing")
    assert "No changes in schema detected." in done.stderr
    assert sorted(path for path in migrated.versions.iterdir() if path.suffix) == [
        path for path in before if path.suffix
    ]


def test_revision_written_by_hand_is_empty_and_runs(project: Project) -> None:
    revision = project.new_revision("-m", "by hand")
    assert operations(revision, upgrade_of(project)) == []
    project.alembic("upgrade", "head")
    project.alembic("check")


def test_generated_revisions_sort_by_date(migrated: Project) -> None:
    migrated.add_column()
    migrated.new_revision("--autogenerate", "-m", "add body")
    time.sleep(1)  # that is how exact the names are
    migrated.new_revision("-m", "by hand")
    names = [path.name for path in sorted(migrated.versions.glob("*.py"))]
    assert [name.split("_")[-1] for name in names] == ["posts.py", "body.py", "hand.py"]
    assert all(re.match(r"\d{4}_\d\d_\d\d_\d{6}-[0-9a-f]{12}_", name) for name in names)


def test_models_that_nobody_imports_are_refused(migrated: Project) -> None:
    migrated.edit("__init__.py", "from . import models as models", "#")
    migrated.edit("__init__.py", "from . import views\n", "")
    migrated.edit("__init__.py", "    app.register_blueprint(views.bp)\n", "")
    for command in (["check"], ["revision", "--autogenerate", "-m", "drop all"]):
        line = migrated.fails(*command)
        assert f"import its models where the app {migrated.package!r} is made" in line
    assert len(list(migrated.versions.glob("*.py"))) == 1
    migrated.alembic("upgrade", "head")


def test_tables_of_others_are_left_alone(generic: Project) -> None:
    generic.alembic("upgrade", "head")
    generic.python(
        "-c", "import sqlite3; sqlite3.connect('instance/default.db').execute('CREATE TABLE t (a)')"
    )
    assert "- table t\n" in generic.alembic("check", status=MODELS_DIFFER).stdout
    generic.edit("migrations/env.py", "set[str] = set()", 'set[str] = {"t"}')
    generic.alembic("check")


def test_target_metadata_may_be_a_list(generic: Project) -> None:
    generic.alembic("upgrade", "head")
    generic.edit(
        "migrations/env.py",
        "target_metadata = db.metadata\n",
        "import sqlalchemy as sa\n"
        "more = sa.MetaData()\n"
        "sa.Table('extra', more, sa.Column('id', sa.Integer, primary_key=True))\n"
        "target_metadata = [db.metadata, more]\n",
    )
    revision = generic.new_revision("--autogenerate", "-m", "extra")
    assert operations(revision, "upgrade") == ["create_table"]
    generic.alembic("upgrade", "head")
    generic.alembic("check")


def test_alembic_context_is_laid_over_the_options(project: Project) -> None:
    project.edit(
        "config.py", "    return {\n", '    return {\n        "ALEMBIC_CONTEXT": OVERLAY,\n'
    )
    project.edit(
        "config.py",
        "def from_environment",
        'OVERLAY = {"version_table": "revisions"}\n\n\ndef from_environment',
    )
    project.alembic("upgrade", "head")
    for database in project.databases:
        assert "revisions" in project.tables(database)
        assert "alembic_version" not in project.tables(database)


def statements(sql: str) -> set[str]:
    return {" ".join(statement.split()) for statement in sql.split(";")}


def test_sql_loads_into_the_sqlite_shell_and_gives_the_same_schema(project: Project) -> None:
    shell = shutil.which("sqlite3")
    if not shell:
        assert "CI" not in os.environ, "the sqlite3 shell is not installed"
        pytest.skip("the sqlite3 shell is not installed")
    sql = project.alembic("upgrade", "head", "--sql").stdout
    assert not (project.folder / "instance").exists() or not any(
        path.exists() for path in project.databases.values()
    )
    for database in project.databases:
        if project.variant == "multidb":
            sql = (project.folder / f"{database}.sql").read_text(encoding="utf-8")
        loaded = project.folder / f"loaded-{database}.db"
        run(shell, "-bail", loaded, cwd=project.folder, input=sql)
        dump = run(shell, loaded, ".schema", cwd=project.folder).stdout
        project.alembic("upgrade", "head")
        made = run(shell, project.databases[database], ".schema", cwd=project.folder).stdout
        assert statements(dump.replace("IF NOT EXISTS ", "")) == statements(made)
        assert "CREATE TABLE posts" in dump or "CREATE TABLE users" in dump


@pytest.mark.parametrize("url", ["sqlite:///x.db", "postgresql://nobody@nowhere.invalid/x"])
def test_percent_signs_survive_offline(project: Project, url: str) -> None:
    revision = next(project.versions.glob("*.py"))
    revision.write_text(
        revision.read_text(encoding="utf-8").replace(
            'op.create_index(op.f("ix_posts_author_id")',
            "op.execute(\"DELETE FROM posts WHERE title LIKE '100%'\")\n"
            '    op.create_index(op.f("ix_posts_author_id")',
        ),
        encoding="utf-8",
    )
    sql = project.alembic("upgrade", "head", "--sql", env={"DATABASE_URL": url}).stdout
    if project.variant == "multidb":
        sql = (project.folder / "default.sql").read_text(encoding="utf-8")
    assert "LIKE '100%';" in sql


def test_works_from_another_folder(project: Project, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    ini = os.path.relpath(project.folder / "alembic.ini", elsewhere)
    project.alembic("-c", ini, "upgrade", "head", cwd=elsewhere)
    for database, tables in TABLES[project.variant].items():
        assert tables <= project.tables(database)
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize(
    "variant", ["generic", pytest.param("multidb", marks=pytest.mark.slow)], indirect=True
)
def test_works_in_a_folder_with_signs_that_mean_something(project: Project, tmp_path: Path) -> None:
    odd = project.copy(tmp_path / "some of $HOME, 'quoted' #1 (ü)")
    odd.alembic("upgrade", "head")
    odd.python("-m", "pytest", "-q")
    assert "posts" in odd.tables()


def test_env_file_is_read_and_the_environment_wins(project: Project, tmp_path: Path) -> None:
    def set_url(file: str) -> str:
        return f"sqlite:///{(tmp_path / file).as_posix()}"

    with (project.folder / ".env").open("a", encoding="utf-8") as env:
        env.write(f"DATABASE_URL={set_url('from-file.db')}\n")
    project.alembic("upgrade", "head")
    assert (tmp_path / "from-file.db").exists()
    project.alembic("upgrade", "head", env={"DATABASE_URL": set_url("from-environment.db")})
    assert (tmp_path / "from-environment.db").exists()
    code = f"import {project.package} as p; print(p.create_app().config['SQLALCHEMY_DATABASE_URI'])"
    wsgi = project.python("-c", code, cwd=tmp_path, env={"PYTHONPATH": str(project.folder)})
    assert wsgi.stdout.strip() == set_url("from-file.db")


def test_current_app_is_migrated_where_there_is_one(project: Project, tmp_path: Path) -> None:
    mine = (tmp_path / "mine.db").as_posix()
    code = f"""
import sqlite3
from alembic import command
from {project.package} import create_app
from {project.package}.migrations import alembic_config
config = {{"SQLALCHEMY_DATABASE_URI": "sqlite:///{mine}"}}
with create_app(config).app_context():
    command.upgrade(alembic_config(), "head")
"""
    project.python("-c", code)
    assert (tmp_path / "mine.db").exists()
    assert not project.databases["default"].exists()


@pytest.mark.parametrize("with_context", [True, False])
def test_loggers_still_log_after_an_upgrade_inside_the_process(
    project: Project, with_context: bool
) -> None:
    code = f"""
import logging
from contextlib import nullcontext
from alembic import command
from {project.package} import create_app
from {project.package}.migrations import alembic_config
logging.basicConfig(level=logging.DEBUG, format="mine: %(message)s")
app = create_app()
with app.app_context() if {with_context} else nullcontext():
    command.upgrade(alembic_config(), "head")
app.logger.info("app still logs")
logging.getLogger("other").debug("others still log")
"""
    logged = project.python("-c", code).stderr
    assert "mine: Running upgrade  -> 5b1f0c3a9d27" in logged
    assert "mine: app still logs" in logged
    assert "mine: others still log" in logged


def test_loggers_that_are_there_before_the_command_still_log(project: Project) -> None:
    project.edit(
        "__init__.py", "    return app\n", '    app.logger.warning("it logs")\n    return app\n'
    )
    project.edit(
        "__init__.py",
        "\n\n@kit.factory",
        '\nimport logging\n\nlogging.getLogger("early")\n\n\n@kit.factory',
    )
    project.edit(
        "migrations/versions/" + next(project.versions.glob("*.py")).name,
        "from alembic import op\n",
        'from alembic import op\nimport logging\n\nlogging.getLogger("early").warning("so do I")\n',
    )
    logged = project.alembic("upgrade", "head").stderr
    assert "it logs" in logged
    assert "so do I" in logged
    assert "Running upgrade  -> 5b1f0c3a9d27, Users and posts." in logged


def test_views_write_and_read_the_database(migrated: Project) -> None:
    server = start(sys.executable, "-m", "flask", "run", "--port", "0", cwd=migrated.folder)
    try:
        said = wait_for_line(server, "Running on ")
        (url,) = re.findall("Running on (http:.*)", said)
        for title in ("first", "second"):
            request = urllib.request.Request(
                url,
                f'{{"title": "{title}", "author": "Ada"}}'.encode(),
                {"Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request, timeout=300) as response:
                assert response.status == 201
        with urllib.request.urlopen(url, timeout=300) as response:
            listed = response.read().decode()
    finally:
        server.kill()
        server.communicate()
    assert re.findall('"title":"(.*?)"', listed) == ["first", "second"]
    assert listed.count('"author":"Ada"') == 2


def test_password_reaches_the_server_unchanged(project: Project) -> None:
    with (
        servers.database("mysql") as url,
        servers.account(url, "100%@home:a/b?c#d&e=%40+'\"\\") as login,
    ):
        environment = {"DATABASE_URL": login.render_as_string(hide_password=False)}
        project.alembic("upgrade", "head", env=environment)
        assert "(head)" in project.alembic("current", env=environment).stdout
        with (project.folder / ".env").open("a", encoding="utf-8") as env:
            env.write(f"DATABASE_URL={environment['DATABASE_URL']}\n")
        assert "(head)" in project.alembic("current").stdout
        project.alembic("upgrade", "head", "--sql")
        wrong = login.set(password="wrong").render_as_string(hide_password=False)
        project.alembic("current", env={"DATABASE_URL": wrong}, status=None)


def test_long_run_shows_progress(project: Project) -> None:
    """Once a second, by a clock that only the revisions move."""
    clock = "import time\n\ntime.now = 0\ntime.monotonic = lambda: time.now\n"
    project.edit(
        "migrations/env.py",
        "from alembic import context\n",
        f"{clock}from alembic import context\n",
    )
    project.add_revision("time.now += 0.6")
    project.add_revision("time.now += 0.6", upgrade_auth="time.now += 0.6")
    project.add_revision("pass")
    logged = project.alembic("upgrade", "head").stderr
    assert re.findall(r"\[alembic.progress\] Done (.*)", logged) == ["3/4 in 1 s"]
