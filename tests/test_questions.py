"""What autogenerate asks on a terminal: a real one, a pseudo-terminal; and that it hangs nowhere else."""

import os
import pty
import re
import select
import subprocess
import sys

import pytest
import servers
from kit import ENVIRONMENT, Project
from shapes import App
from test_autogenerate import on_server

POSTS = """
from sqlalchemy import insert
from {package} import create_app
from {package}.db import db
with create_app().app_context(), db.engine.begin() as connection:
    tables = db.metadata.tables
    connection.execute(insert(tables["users"]).values(id=1, name="Ada"))
    connection.execute(insert(tables["posts"]).values(id=1, title="Engines", author_id=1))
"""
REVISION = ("-m", "alembic", "revision", "--autogenerate", "-m", "change")


@pytest.fixture
def posts(generic: Project) -> Project:
    """A project with a row in each table."""
    generic.alembic("upgrade", "head")
    generic.python("-c", POSTS.format(package=generic.package))
    return generic


def on_terminal(
    project: Project | App,
    *answers: str,
    arguments: tuple[str, ...] = REVISION,
    env: dict[str, str] | None = None,
) -> str:
    """Run Python on a terminal, type an answer after each question, and return all that is shown."""
    terminal, its_end = pty.openpty()
    options = {"stdin": its_end, "stdout": its_end, "stderr": its_end}
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=project.folder,
        env={**ENVIRONMENT, **(env or {})},
        **options,
    )  # type: ignore[call-overload]
    os.close(its_end)
    shown, left = "", [*answers]
    while select.select([terminal], [], [], 300)[0]:
        try:
            read = os.read(terminal, 4096).decode()
        except OSError:  # Linux: the other end is closed
            break
        shown += read
        if left and re.search(r"(\[y/N\]:?|no rows\.\)|--app:) $", shown):
            os.write(terminal, f"{left.pop(0)}\n".encode())
            shown += "\n"
    os.close(terminal)
    process.wait(300)
    assert not left, shown
    return f"{shown}\nexit {process.returncode}"


def title(project: Project, name: str) -> list[str]:
    """Return the titles there are."""
    query = f"import sqlite3; print(*sqlite3.connect('instance/default.db').execute('{name}'))"
    return project.python("-c", query).stdout.split()


def test_yes_renames(posts: Project) -> None:
    posts.edit("models.py", "title: Mapped", "headline: Mapped")
    shown = on_terminal(posts, "y")
    assert "Was posts.title renamed to posts.headline? [y/N]" in shown and "exit 0" in shown
    posts.alembic("upgrade", "head")
    posts.alembic("check")
    assert title(posts, "SELECT headline FROM posts") == ["('Engines',)"]


def test_no_drops_and_asks_what_rows_get(posts: Project) -> None:
    posts.edit("models.py", "title: Mapped", "headline: Mapped")
    shown = on_terminal(posts, "n", "it's new")
    assert "What do the existing rows get in posts.headline, which is NOT NULL?" in shown
    assert "posts.title is dropped; rows with a value: 1" in shown
    posts.alembic("upgrade", "head")
    assert title(posts, "SELECT headline FROM posts") == ["(\"it's", 'new",)']


def test_check_asks_nothing_and_shows_sql(posts: Project) -> None:
    posts.edit("models.py", "title: Mapped", "headline: Mapped")
    posts.edit("models.py", "server_default=func.now()", 'server_default="2026-01-01"')
    shown = on_terminal(posts, arguments=("-m", "alembic", "check"))
    assert "?" not in shown and "exit 4" in shown
    assert "posts.created_at: default CURRENT_TIMESTAMP -> 2026-01-01" in shown


def add_enum(project: Project, values: str, env: dict[str, str]) -> None:
    """Give the users of a database a column ``kind`` with these values."""
    kind = f'kind: Mapped[str] = mapped_column(sqlalchemy.Enum({values}, name="kind"))'
    project.edit("models.py", "from datetime", "import sqlalchemy\nfrom datetime")
    project.add_column("User", f"{kind}\n")
    project.alembic("upgrade", "head", env=env)
    project.new_revision("--autogenerate", "-m", "kind", env=env)
    project.alembic("upgrade", "head", env=env)


@pytest.mark.slow
def test_every_question_keeps_what_it_is_about(generic: Project) -> None:
    """A table, a column and a value of an Enum with new names, and two columns that are to be filled."""
    with on_server("postgresql", generic) as url:
        env = servers.at(url)
        add_enum(generic, '"a", "b"', env)
        servers.query(url, "INSERT INTO users (id, name, kind) VALUES (1, 'Ada', 'b')")
        servers.query(url, "INSERT INTO posts (id, title, author_id) VALUES (1, 'Engines', 1)")
        generic.edit("models.py", '"a", "b"', '"a", "it\'s"')
        generic.edit("models.py", '__tablename__ = "users"', '__tablename__ = "people"')
        generic.edit("models.py", '"users.id"', '"people.id"')
        generic.edit("models.py", "title: Mapped", "headline: Mapped")
        generic.add_column("Post", "body: Mapped[str]\n    number: Mapped[int]")
        shown = on_terminal(generic, *"yyy", "lower(headline)", "(1 + 1)", env=env)
        assert [line.strip() for line in shown.splitlines() if "? [y/N]" in line] == [
            "Was users renamed to people? [y/N]",
            "Was posts.title renamed to posts.headline? [y/N]",
            "Was kind.b renamed to kind.it's? [y/N]",
        ]
        generic.alembic("upgrade", "head", env=env)
        generic.alembic("check", env=env)
        assert servers.query(url, "SELECT kind FROM people") == ["it's"]
        assert servers.query(url, "SELECT headline || body || number FROM posts") == [
            "Enginesengines2"
        ]
        generic.alembic("downgrade", "-1", env=env)
        assert servers.query(url, "SELECT kind FROM users") == ["b"]


@pytest.mark.slow
def test_each_value_of_an_enum_gets_one_name(generic: Project) -> None:
    """The same in another case comes first, as where values take the place of the names."""
    with on_server("postgresql", generic) as url:
        env = servers.at(url)
        add_enum(generic, '"A", "B"', env)
        generic.edit("models.py", '"A", "B"', '"c", "b", "a"')
        shown = on_terminal(generic, *"yy", env=env)
        asked = re.findall(r"Was kind\.(\w) renamed to kind\.(\w)", shown)
        assert asked == [("A", "a"), ("B", "b")]
        generic.alembic("upgrade", "head", env=env)
        generic.alembic("check", env=env)


def test_end_of_input_writes_nothing(posts: Project) -> None:
    posts.edit("models.py", "title: Mapped", "headline: Mapped")
    before = {*posts.versions.iterdir()}
    shown = on_terminal(posts, "\x04")
    assert "FAILED: No answer: nothing is written." in shown and "Traceback" not in shown
    assert {*posts.versions.iterdir()} == before


def test_nothing_is_asked_without_a_reason(posts: Project) -> None:
    posts.edit("models.py", "String(200)", "String(300)")
    shown = on_terminal(posts)
    assert "?" not in shown and "exit 0" in shown


@pytest.mark.parametrize("stdin", ["closed", "empty"])
def test_nothing_hangs_without_a_terminal(posts: Project, stdin: str) -> None:
    posts.edit("models.py", "title: Mapped", "headline: Mapped")
    if stdin == "closed":
        command = f"{sys.executable} {' '.join(REVISION)} <&-"
        done = subprocess.run(
            *(["sh", "-c", command],),
            cwd=posts.folder,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        )
    else:
        done = posts.python(*REVISION, stdin=subprocess.DEVNULL)
    assert "posts.title is dropped; rows with a value: 1" in done.stderr
    assert "Renamed to posts.headline? -x rename=posts.title:headline" in done.stderr
    assert "-x fill=posts.headline:VALUE" in done.stderr


CHECK = """
from alembic import command
from alembic.util import AutogenerateDiffsDetected
from {package} import create_app
from {package}.migrations import alembic_config
with create_app().app_context():
    try:
        command.check(alembic_config())
    except AutogenerateDiffsDetected as error:
        print(error)
"""


def test_tables_of_models_that_nobody_imports_stay(posts: Project) -> None:
    """Neither a module that was imported before, nor most of the tables, are dropped by mistake."""
    models = posts.folder / posts.package / "models.py"
    text = models.read_text(encoding="utf-8")
    (posts.folder / posts.package / "forgotten.py").write_text(text, encoding="utf-8")
    # Revisions from before `adopt` may be in the package, too, and have models of their own.
    old = f"revision = 'a1'\ndown_revision = None\n{text}"
    (posts.folder / posts.package / "a1_first.py").write_text(old, encoding="utf-8")
    other = text.replace("users", "others").replace('"posts"', '"other_posts"')
    models.write_text(other.replace("title: Mapped[str]", "title: Mapped[int]"), encoding="utf-8")
    line = posts.fails("revision", "--autogenerate")
    assert f"{posts.package}.forgotten defines models, but is not imported" in line
    option = f"without={posts.package}.forgotten"
    # To compare is no risk: neither for the command, nor from Python, which gets the data.
    posts.alembic("check", status=4)
    checked = posts.python("-c", CHECK.format(package=posts.package))
    assert "remove_table" in checked.stdout
    line = posts.fails("-x", option, "revision", "--autogenerate")
    assert "Most tables would be dropped: posts, users" in line
    revision = ("revision", "--autogenerate", "-m", "gone")
    posts.alembic("-x", option, "-x", "drop=most", *revision)


def test_what_gets_a_name_in_other_case_stays(posts: Project) -> None:
    """SQLite, and MySQL on Windows, take both names for the same table; MySQL takes columns so, too."""
    posts.edit("models.py", "    title: ", "    Title: ")
    line = posts.fails("revision", "--autogenerate")
    assert line.endswith("keep the name posts.title, or give -x rename=posts.title:Title.")
    posts.edit("models.py", '__tablename__ = "posts"', '__tablename__ = "Posts"')
    line = posts.fails("revision", "--autogenerate")
    assert "Posts may be the same as posts to the database: keep the name posts" in line
    posts.alembic("check", status=4)


MERGE = """
from pathlib import Path
from alembic import command
from {package} import create_app
from {package}.migrations import alembic_config
with create_app().app_context():
    for name in ("one", "two"):
        command.revision(alembic_config(), name, head="5b1f0c3a9d27", splice=True, rev_id=name)
"""


def test_two_heads_say_how_to_join_them(generic: Project) -> None:
    generic.python("-c", MERGE.format(package=generic.package))
    advice = 'run alembic merge heads -m "join"'
    assert advice in generic.fails("upgrade", "head")
    generic.alembic("upgrade", "heads")
    generic.add_column()
    assert advice in generic.fails("revision", "--autogenerate")
    generic.alembic("merge", "heads", "-m", "join")
    generic.alembic("upgrade", "head")
    assert "alembic downgrade one or alembic downgrade two" in generic.fails("downgrade", "-1")


PYTHON = """
from argparse import Namespace
from alembic import command
from {package} import create_app
from {package}.migrations import alembic_config
with create_app().app_context():
    assert command.revision(alembic_config(), "nothing", autogenerate=True) == []
    command.revision(
        alembic_config(), "x", autogenerate=True,
        process_revision_directives=lambda context, revision, directives: directives.clear(),
    )
    command.check(alembic_config(cmd_opts=Namespace(x=["a=b"])))
"""


def test_revision_from_python_is_not_empty(generic: Project) -> None:
    generic.alembic("upgrade", "head")
    before = {*generic.versions.glob("*.py")}
    generic.python("-c", PYTHON.format(package=generic.package))
    assert {*generic.versions.glob("*.py")} == before


@pytest.mark.slow
def test_each_of_several_databases_is_asked_and_answered(multidb: Project) -> None:
    """Both have the same table; a question says of which it is, and an answer may be for one alone."""
    models = multidb.folder / multidb.package / "models.py"
    for model in ("Model", "AuthModel"):
        items = "id: Mapped[int] = mapped_column(primary_key=True)\n    name: Mapped[str | None]"
        with models.open("a", encoding="utf-8") as file:
            file.write(f'\n\nclass {model}Note({model}):\n    __tablename__ = "n"\n    {items}\n')
    multidb.alembic("upgrade", "head")
    multidb.new_revision("--autogenerate", "-m", "notes")
    multidb.alembic("upgrade", "head")
    code = models.read_text(encoding="utf-8")
    models.write_text(code.replace("name: Mapped[str | None]", "word: Mapped[str]"), "utf-8")
    before = {*multidb.versions.glob("*.py")}
    shown = on_terminal(multidb, "n", "x", "y")
    for name in ("default", "auth"):
        assert f"Database {name}: Was n.name renamed to n.word? [y/N]" in shown
    (written,) = {*multidb.versions.glob("*.py")} - before
    written.unlink()
    answers = ("rename=auth/n.name:word", "fill=default/n.word:it", "fill=auth/n.word:is")
    options = [each for answer in answers for each in ("-x", answer)]
    multidb.alembic(*options, *REVISION[2:])
    (written,) = {*multidb.versions.glob("*.py")} - before
    default, auth = written.read_text(encoding="utf-8").split("def upgrade_auth")
    assert "new_column_name" not in default and "'it'" in default
    assert "new_column_name='word'" in auth and "'is'" in auth
