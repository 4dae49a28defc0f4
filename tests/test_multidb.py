"""What only projects with several databases do."""

from pathlib import Path

import pytest
import servers
from kit import Project


def test_one_database_can_be_named(multidb: Project) -> None:
    multidb.alembic("-x", "database=auth", "upgrade", "head")
    assert multidb.tables("auth") == {"users", "alembic_version"}
    assert not multidb.databases["default"].exists()
    multidb.alembic("-x", "database=default", "-x", "database=auth", "upgrade", "head")
    assert multidb.tables("default") == {"posts", "alembic_version"}


def test_unknown_database_is_refused_with_the_known_ones(multidb: Project) -> None:
    line = multidb.fails("-x", "database=nosuch", "-x", "database=auth", "upgrade", "head")
    assert "nosuch" in line and "auth" in line and "default" in line
    assert not any(path.exists() for path in multidb.databases.values())


def test_other_x_arguments_are_left_to_the_revisions(multidb: Project) -> None:
    multidb.alembic("-x", "data=true", "-x", "flag", "upgrade", "head")
    assert multidb.tables("auth") == {"users", "alembic_version"}


def test_read_only_database_is_not_migrated(multidb: Project) -> None:
    multidb.edit("migrations/env.py", "READ_ONLY: set[str] = set()", 'READ_ONLY = {"auth"}')
    multidb.alembic("upgrade", "head")
    assert "posts" in multidb.tables("default")
    assert not multidb.databases["auth"].exists()
    multidb.alembic("check")


def test_new_revision_has_a_function_for_each_database_of_the_app(multidb: Project) -> None:
    revision = multidb.new_revision("-m", "by hand")
    assert revision.count("\ndef ") == 6
    for name in ("default", "auth"):
        assert f"\ndef upgrade_{name}() -> None:" in revision
        assert f"\ndef downgrade_{name}() -> None:" in revision


def test_revision_by_hand_needs_no_database(multidb: Project) -> None:
    gone = "postgresql://nobody@nowhere.invalid/x"
    environment = {"DATABASE_URL": gone, "AUTH_DATABASE_URL": gone}
    assert "upgrade_auth" in multidb.new_revision("-m", "by hand", env=environment)


def test_function_with_a_misspelt_name_is_refused(multidb: Project) -> None:
    """The revision would be taken for one that does not know the database, and for done."""
    multidb.alembic("upgrade", "head")
    multidb.new_revision("-m", "by hand")
    (path,) = multidb.versions.glob("*by_hand*")
    text = path.read_text(encoding="utf-8").replace("def upgrade_default", "def upgrade_defualt")
    path.write_text(text, encoding="utf-8")
    line = multidb.fails("upgrade", "head")
    assert f"{path}: upgrade_default() is missing, or misspelt." in line
    assert "by hand" not in multidb.alembic("current", "--verbose").stdout


def test_history_is_told_once(multidb: Project) -> None:
    assert multidb.alembic("history").stdout.count("Users and posts") == 1


def test_revision_for_one_database_leaves_the_others_alone(multidb: Project) -> None:
    multidb.alembic("upgrade", "head")
    multidb.add_column("User", "email: Mapped[str | None]")
    revision = multidb.new_revision("--autogenerate", "-m", "email")
    assert "batch_op.add_column(sa.Column('email'" in revision
    before = multidb.schema("default")
    multidb.alembic("upgrade", "head")
    assert "email" in multidb.schema("auth")["users"]
    assert multidb.schema("default") == before
    multidb.alembic("check")


def test_change_in_each_database_is_one_revision(multidb: Project) -> None:
    multidb.alembic("upgrade", "head")
    multidb.add_column("User", "email: Mapped[str | None]")
    multidb.add_column("Post", "body: Mapped[str | None]")
    revision = multidb.new_revision("--autogenerate", "-m", "both")
    default, auth = sorted(revision.split("def upgrade_")[1:], key=lambda part: part[:4] == "auth")
    assert "'body'" in default and "'email'" not in default
    assert "'email'" in auth and "'body'" not in auth
    multidb.alembic("upgrade", "head")
    multidb.alembic("check")


@pytest.mark.parametrize(
    "dialects",
    [
        ("sqlite", "postgresql"),
        ("postgresql", "sqlite"),
        pytest.param(("sqlite", "mysql"), marks=pytest.mark.slow),
        pytest.param(("mysql", "sqlite"), marks=pytest.mark.slow),
    ],
    ids="-".join,
)
def test_columns_change_in_databases_of_different_kinds(
    multidb: Project, dialects: tuple[str, str], tmp_path: Path
) -> None:
    """Alembic writes the changes of all as it does for the last of them."""
    multidb.add_column("User", "on: Mapped[bool] = mapped_column(server_default=true())")
    multidb.add_column("Post", "at: Mapped[datetime] = mapped_column(server_default=func.now())")
    multidb.add_column("Post", "on: Mapped[bool] = mapped_column(server_default=true())")
    multidb.edit("models.py", "String(80)", "Integer")
    multidb.edit("models.py", "String(200)", "Integer")
    multidb.edit("models.py", "import String, func", "import Integer, func, true")
    for name in ("name", "title"):
        multidb.edit("models.py", f"{name}: Mapped[str]", f"{name}: Mapped[int]")
    one, two = (servers.database(dialect, tmp_path) for dialect in dialects)
    with one as default, two as auth:
        env = servers.at(default) | servers.at(auth, "AUTH_DATABASE_URL")
        multidb.alembic("upgrade", "head", env=env)
        multidb.alembic("revision", "--autogenerate", "-m", "change", env=env)
        for command in ("upgrade head", "check", "downgrade -1", "upgrade head"):
            multidb.alembic(*command.split(), env=env)


def test_database_that_older_revisions_do_not_know_is_left_alone_by_them(multidb: Project) -> None:
    multidb.alembic("upgrade", "head")
    multidb.edit(
        "config.py", '"SQLALCHEMY_BINDS": {', '"SQLALCHEMY_BINDS": {"log": "sqlite:///log.db", '
    )
    multidb.edit("models.py", "class User", LOG_MODEL + "\n\nclass User")
    multidb.alembic("upgrade", "head")
    revision = multidb.new_revision("--autogenerate", "-m", "log")
    assert "def upgrade_log()" in revision
    multidb.databases["default"].unlink()
    multidb.alembic("upgrade", "head")
    multidb.alembic("check")
    multidb.alembic("downgrade", "base")
    multidb.alembic("upgrade", "head")


LOG_MODEL = '''
class Entry(Model):
    """A line of the log."""

    __bind_key__ = "log"
    __tablename__ = "entries"

    id: Mapped[int] = mapped_column(primary_key=True)
'''


def test_offline_files_are_named_by_database(multidb: Project) -> None:
    multidb.alembic("-x", "database=auth", "upgrade", "head", "--sql")
    assert [path.name for path in multidb.folder.glob("*.sql")] == ["auth.sql"]
    multidb.alembic("upgrade", "head", "--sql")
    assert sorted(path.name for path in multidb.folder.glob("*.sql")) == ["auth.sql", "default.sql"]
    assert not list(multidb.folder.glob(".*.sql"))


def test_no_offline_file_is_written_when_one_fails(multidb: Project) -> None:
    revision = next(multidb.versions.glob("*.py"))
    text = revision.read_text(encoding="utf-8")
    revision.write_text(
        text.replace(
            'op.create_table(\n        "posts"', '1 / 0\n    op.create_table(\n        "posts"'
        ),
        encoding="utf-8",
    )
    multidb.alembic("upgrade", "head", "--sql", status=None)
    assert not list(multidb.folder.glob("*.sql"))


@pytest.mark.parametrize("command", ["current", "history -i"])
def test_what_is_printed_names_each_database(multidb: Project, command: str) -> None:
    multidb.alembic("-x", "database=default", "upgrade", "head")
    default, auth = multidb.alembic(*command.split()).stdout.split("Database ")[1:]
    assert default.startswith("default:\n") and ("(current)" in default or "(head)" in default)
    assert auth.startswith("auth:\n") and "(current)" not in auth
    assert ("(head)" in auth) == (command == "history -i")


def test_check_lists_the_differences_of_each_database(multidb: Project) -> None:
    multidb.alembic("upgrade", "head")
    multidb.add_column("User", "email: Mapped[str | None]")
    multidb.add_column("Post", "body: Mapped[str | None]")
    done = multidb.alembic("check", status=4)
    default, auth = done.stdout.split("Database ")[1:]
    assert default.startswith("default differs") and "+ posts.body: VARCHAR" in default
    assert auth.startswith("auth differs") and "+ users.email: VARCHAR" in auth
    assert done.stdout.endswith(
        "FAILED: Models and databases differ: run alembic revision --autogenerate.\n"
    )


def test_models_of_one_database_that_nobody_imports_are_refused(multidb: Project) -> None:
    multidb.alembic("upgrade", "head")
    multidb.edit("models.py", "class User(AuthModel)", "class User(Model)")
    assert "'auth' has no model" in multidb.alembic("check", status=None).stdout
