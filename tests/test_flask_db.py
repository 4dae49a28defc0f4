"""``flask db``: Alembic's command line, on the app that Flask has found."""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from kit import FIRST_REVISION, Project


def sqlite(path: Path) -> str:
    """Return a configuration for ``create_app()``, written as Python."""
    return repr({"SQLALCHEMY_DATABASE_URI": f"sqlite:///{path.as_posix()}"})


def test_upgrade_goes_to_the_head_and_logs_as_alembic_does(project: Project) -> None:
    logged = project.flask("db", "upgrade").stderr
    assert f"Running upgrade  -> {FIRST_REVISION}, Users and posts." in logged
    for path in project.databases.values():
        path.unlink()
    assert logged == project.alembic("upgrade", "head").stderr


def test_downgrade_goes_back_by_one(migrated: Project) -> None:
    migrated.flask("db", "downgrade")
    for database in migrated.databases:
        assert migrated.tables(database) == {"alembic_version"}


def test_migrate_writes_what_autogenerate_writes(migrated: Project) -> None:
    migrated.add_column()
    migrated.flask("db", "migrate", "-m", "add body", "--rev-id", "b1", "--branch-label", "blog")
    (path,) = migrated.versions.glob("*-b1_add_body.py")
    revision = path.read_text(encoding="utf-8")
    assert "add_column(sa.Column('body'" in revision
    assert "branch_labels: str | Sequence[str] | None = ('blog',)" in revision
    migrated.flask("db", "upgrade")
    assert "body" in migrated.schema()["posts"]
    done = migrated.flask("db", "migrate", "-m", "nothing")
    assert "No changes in schema detected." in done.stderr
    assert len(list(migrated.versions.glob("*.py"))) == 2


def test_log_is_history(project: Project) -> None:
    listed = project.flask("db", "log", "-v").stdout
    assert "Users and posts" in listed
    assert listed == project.alembic("history", "-v").stdout


def test_edit_opens_the_head(project: Project) -> None:
    """With Python as the editor, which runs the file."""
    (revision,) = project.versions.glob("*.py")
    with revision.open("a", encoding="utf-8") as file:
        file.write('\n\nif __name__ == "__main__":\n    print("opened")\n')
    done = project.flask("db", "edit", env={"EDITOR": sys.executable})
    assert done.stdout == "opened\n"


def test_two_heads_are_merged(generic: Project) -> None:
    generic.flask("db", "upgrade")
    generic.add_column("Post", "one: Mapped[str | None]")
    generic.flask("db", "migrate", "--head", FIRST_REVISION, "--rev-id", "a1")
    generic.flask("db", "upgrade")
    generic.add_column("Post", "two: Mapped[str | None]")
    generic.flask("db", "migrate", "--head", FIRST_REVISION, "--splice", "--rev-id", "a2")
    assert "2 heads, a1 and a2" in generic.flask("db", "upgrade", status=None).stdout
    generic.flask("db", "merge", "-m", "both", "--rev-id", "a3")
    assert "Merges: a1, a2" in generic.flask("db", "show").stdout
    generic.flask("db", "upgrade")
    assert "a3 (head) (mergepoint)" in generic.flask("db", "current").stdout


def test_a_downgrade_past_a_merge_names_both_ways_also_from_above(generic: Project) -> None:
    for name in ("a1", "a2"):
        generic.flask("db", "revision", "--head", FIRST_REVISION, "--splice", "--rev-id", name)
    generic.flask("db", "merge", "--rev-id", "a3")
    generic.flask("db", "revision", "--rev-id", "a4")
    generic.flask("db", "upgrade")
    refused = generic.flask("db", "downgrade", "-3", status=None).stdout
    assert "joined: alembic downgrade a1 or alembic downgrade a2." in refused
    generic.flask("db", "downgrade", "-1")
    assert generic.flask("db", "downgrade", "-1", status=None).stdout == refused


def test_stamp_without_a_revision_is_to_the_head(project: Project) -> None:
    project.flask("db", "stamp")
    for database in project.databases:
        assert project.tables(database) == {"alembic_version"}
    assert project.flask("db", "current").stdout.count("(head)") == len(project.databases)


def test_sql_is_the_same(project: Project) -> None:
    written = []
    for run, revision in (
        (project.flask, ["db", "upgrade"]),
        (project.alembic, ["upgrade", "head"]),
    ):
        sql = run(*revision, "--sql", "--tag", "t").stdout
        for path in sorted(project.folder.glob("*.sql")):
            sql += path.read_text(encoding="utf-8")
            path.unlink()
        assert "CREATE TABLE posts" in sql
        written.append(sql)
    assert written[0] == written[1]
    assert not any(path.exists() for path in project.databases.values())


def test_x_is_taken_before_and_after_the_command(multidb: Project) -> None:
    multidb.flask("db", "-x", "other=1", "upgrade", "--x-arg", "database=auth")
    assert not multidb.databases["default"].exists()
    multidb.flask("db", "--x-arg", "database=default", "upgrade", "-xother=1")
    assert "posts" in multidb.tables("default")
    multidb.flask("db", "-x", "database=default", "downgrade", "-x", "database=auth")
    for database in multidb.databases:
        assert multidb.tables(database) == {"alembic_version"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["upgrade", "nosuch"],
        ["-q", "upgrade", "nosuch"],
        ["--raiseerr", "upgrade", "nosuch"],
        [],
        ["-c", "nosuch.ini", "heads"],
    ],
    ids=" ".join,
)
def test_mistakes_are_answered_as_alembic_does(generic: Project, arguments: list[str]) -> None:
    theirs = generic.alembic(*arguments, status=None)
    ours = generic.flask("db", *arguments, status=theirs.returncode)
    assert ours.stdout == theirs.stdout
    assert ("Traceback" in ours.stderr) == ("Traceback" in theirs.stderr)


def test_another_ini_file_and_another_section_of_it(generic: Project, tmp_path: Path) -> None:
    versions = (generic.folder / generic.package / "migrations").as_posix()
    ini = tmp_path / "other.ini"
    ini.write_text(
        f"[other]\nscript_location = {versions}\npath_separator = os\nfile_template = %%(rev)s\n",
        encoding="utf-8",
    )
    for number, environment in enumerate([{}, {"ALEMBIC_CONFIG": str(ini)}]):
        config = ["-n", "other"] if environment else ["-c", str(ini), "--name=other"]
        arguments = ["revision", "--rev-id", f"r{number}"]
        generic.flask("db", *config, *arguments, env=environment)
        assert (generic.versions / f"r{number}.py").exists()


TOOL = """
[tool.alembic]
script_location = "%(here)s/PACKAGE/migrations"
file_template = "from_toml_%%(rev)s"
"""


@pytest.mark.parametrize("ini", ["[alembic]\n", None])
def test_settings_in_pyproject(generic: Project, ini: str | None) -> None:
    """https://alembic.sqlalchemy.org/en/latest/tutorial.html#using-pyproject-toml-for-configuration"""
    path = generic.folder / "alembic.ini"
    path.unlink() if ini is None else path.write_text(ini, encoding="utf-8")
    with (generic.folder / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(TOOL.replace("PACKAGE", generic.package))
    generic.alembic("revision", "--rev-id", "a1")
    generic.flask("db", "revision", "--rev-id", "a2")
    assert (generic.versions / "from_toml_a1.py").exists()
    assert (generic.versions / "from_toml_a2.py").exists()
    assert "at head (a2)" in generic.alembic("upgrade", "head").stderr
    assert "at head (a2)" in generic.flask("db", "upgrade").stderr


def add_folder(project: Project, folder: Path) -> str:
    """Put an env.py and revisions into a folder, and return the head, which is nowhere else."""
    path = project.folder / project.package / "migrations"
    shutil.copytree(path, folder, ignore=shutil.ignore_patterns("kit", "__*"))
    last = f'revision = "{folder.name}"\ndown_revision = "{FIRST_REVISION}"\n'
    last += "\n\ndef upgrade(engine_name=None):\n    pass\n"
    (folder / "versions" / "last.py").write_text(last, encoding="utf-8")
    return folder.name


EVERYBODY = """
from PACKAGE import create_app
from PACKAGE.migrations import alembic_config, heads, needs_upgrade, read

app = create_app()
states = app.test_client().get("/health").json.values()
assert [state["heads"] for state in states] == [["there"]] * NUMBER, states
with app.app_context():
    assert heads() == ("there",)
    assert alembic_config().get_main_option("script_location") == FOLDER
    assert len(needs_upgrade()) == NUMBER
    ran = read(lambda migration: migration.environment_context.script.dir)
    assert {*ran.values()} == {FOLDER}
assert app.test_cli_runner().invoke(args=["db", "heads"]).stdout == "there (head)\\n"
more = ["db", "revision", "-m", "one", "--rev-id", "a1"]
assert app.test_cli_runner().invoke(args=more).exit_code == 0
"""


def test_script_location_in_alembic_ini_means_the_same_to_everybody(project: Project) -> None:
    folder = project.folder / "there"
    add_folder(project, folder)
    ini = project.folder / "alembic.ini"
    text = ini.read_text(encoding="utf-8")
    location = f"%(here)s/{project.package}/migrations"
    assert text.count(location) == 1
    ini.write_text(text.replace(location, "%(here)s/there"), encoding="utf-8")
    names = {"PACKAGE": project.package, "NUMBER": str(len(project.databases))}
    code = EVERYBODY.replace("FOLDER", repr(folder.as_posix()))
    for name, value in names.items():
        code = code.replace(name, value)
    project.python("-c", code)
    project.alembic("revision", "-m", "two", "--rev-id", "a2")
    names_there = "".join(sorted(path.name for path in (folder / "versions").glob("*.py")))
    assert "-a1_one.py" in names_there and "-a2_two.py" in names_there
    assert len(list(project.versions.glob("*.py"))) == 1


# What `flask` does, several times in one process.
DIRECTORIES = """
import os
from flask.cli import FlaskGroup
from flask_app import create_app

for directory, arguments, _ in CASES:
    os.environ["FLASK_DB_DIRECTORY"] = directory
    FlaskGroup(create_app=create_app).main(["db", *arguments], standalone_mode=False)
"""


def test_directory_is_taken_as_flask_migrate_takes_it(generic: Project) -> None:
    one = add_folder(generic, generic.folder / "one")
    two = add_folder(generic, generic.folder / "two")
    at_one, at_two, own = (f"{head} (head)\n" for head in (one, two, FIRST_REVISION))
    absolute = str(generic.folder / "one")
    ini = generic.folder / "other.ini"
    ini.write_text("[alembic]\nscript_location = two\npath_separator = os\n", encoding="utf-8")
    cases = [
        ("", ["heads"], own),
        ("", ["-d", "one", "heads"], at_one),
        ("", ["heads", "-d", absolute], at_one),
        ("", ["--directory=one", "heads"], at_one),
        ("", ["heads", "--directory", "one"], at_one),
        ("", ["-d", "two", "heads", "-d", "one"], at_one),
        ("", ["-c", "other.ini", "heads"], at_two),
        ("", ["-c", "other.ini", "-d", "one", "heads"], at_one),
        ("one", ["heads"], at_one),
        ("one", ["heads", "-d", "two"], at_two),
        ("one", ["-c", "other.ini", "heads"], at_one),
    ]
    done = generic.python("-c", DIRECTORIES.replace("CASES", repr(cases)))
    printed = done.stdout.splitlines(keepends=True)
    for (*case, expected), line in zip(cases, printed, strict=True):
        assert line == expected, case
    generic.flask("db", "revision", "--rev-id", "a1", env={"FLASK_DB_DIRECTORY": "one"})
    assert len(list((generic.folder / "one" / "versions").glob("*-a1_*.py"))) == 1
    assert len(list(generic.versions.glob("*.py"))) == 1


def test_directory_that_is_not_there_is_refused_in_one_line(generic: Project) -> None:
    (generic.folder / "empty").mkdir()
    for folder, environment in (("nosuch", {}), ("", {"FLASK_DB_DIRECTORY": "nosuch"})):
        option = ["-d", folder] if folder else []
        done = generic.flask("db", "upgrade", *option, env=environment, status=None)
        assert len(done.stdout.splitlines()) == 1 and "nosuch" in done.stdout, done.stdout
        assert "Traceback" not in done.stderr
    assert not generic.databases["default"].exists()


def test_help_is_alembics(generic: Project) -> None:
    shown = generic.flask("db", "--help", env={"COLUMNS": "100"}).stdout
    assert shown.startswith("usage: flask db ")
    theirs = generic.alembic("--help", env={"COLUMNS": "100"}).stdout
    commands = re.findall(r"^    (\w+) ", theirs, re.MULTILINE)
    assert len(commands) > 12
    for command in [*commands, "migrate", "log"]:
        assert re.search(rf"^    {command} ", shown, re.MULTILINE), command
    shown = generic.flask("db", "upgrade", "--help").stdout
    assert shown.startswith("usage: flask db upgrade ") and "[revision]" in shown
    assert re.search(r"^  db +Migrate the databases", generic.flask("--help").stdout, re.MULTILINE)


def test_command_has_the_name_that_the_factory_gives_it(generic: Project) -> None:
    generic.edit("__init__.py", "add_command(kit.db)", 'add_command(kit.db, "schema")')
    generic.flask("schema", "upgrade")
    assert "posts" in generic.tables()
    assert "No such command 'db'" in generic.flask("db", "heads", status=2).stderr


def test_app_and_flask_app_decide_which_app_is_migrated(project: Project, tmp_path: Path) -> None:
    for number in (1, 2):
        path = tmp_path / f"{number}.db"
        app = f"{project.package}:create_app({sqlite(path)})"
        environment = {"FLASK_APP": "nosuch" if number == 1 else app}
        option = ["--app", app] if number == 1 else []
        project.flask(*option, "db", "upgrade", env=environment)
        assert path.exists()
        assert not project.databases["default"].exists()


def test_several_apps_in_one_process_do_not_mix(project: Project, tmp_path: Path) -> None:
    code = f"""
from {project.package} import create_app
one, two = [create_app(config) for config in ({sqlite(tmp_path / "1.db")}, {sqlite(tmp_path / "2.db")})]
for app, command, expected in [
    (one, "upgrade", ""), (two, "current", ""), (one, "current", "(head)"), (two, "upgrade", ""),
    (one, "downgrade", ""), (two, "current", "(head)"), (one, "current", ""),
]:
    done = app.test_cli_runner().invoke(args=["db", "-x", "database=default", command])
    assert done.exit_code == 0, done.output
    assert expected in done.stdout, (command, done.output)
    assert ("(head)" in done.stdout) == bool(expected), (command, done.output)
"""
    (project.folder / "apps.py").write_text(code, encoding="utf-8")
    if project.variant == "generic":
        project.edit("migrations/env.py", "# What auto", "context.get_x_argument()\n# What auto")
    project.python("apps.py", env={"PYTHONPATH": os.curdir})


def test_works_without_alembic_ini_from_another_folder(project: Project, tmp_path: Path) -> None:
    (project.folder / "alembic.ini").unlink()
    app = str(project.folder / project.package)
    project.flask("--app", app, "db", "upgrade", cwd=tmp_path)
    assert project.tables() >= {"posts", "alembic_version"}
    done = project.flask("--app", app, "db", "current", "--check-heads", cwd=tmp_path)
    assert done.stdout.count("(head)") == len(project.databases)


def test_loggers_that_the_app_has_set_up_are_left_alone(project: Project) -> None:
    project.edit(
        "__init__.py",
        "    app = Flask(__name__)\n",
        '    logging.basicConfig(format="mine: %(message)s")\n    app = Flask(__name__)\n',
    )
    project.edit(
        "__init__.py", "from typing import Any\n", "from typing import Any\nimport logging\n"
    )
    lines = project.flask("db", "upgrade").stderr.splitlines()
    assert lines and all(line.startswith("mine: ") for line in lines)
    logged = project.flask("db", "upgrade", "nosuch", status=None).stderr
    assert logged.startswith("mine: ") and logged.endswith("identified by 'nosuch'\n")


def test_alembic_is_imported_for_migrating_only(project: Project) -> None:
    imported = "print([name for name in sys.modules if name.startswith('alembic')])"
    code = f"import sys, {project.package} as p; app = p.create_app(); {imported}"
    fresh = ("-B", "-c")  # not forked, with Alembic there already
    assert project.python(*fresh, code).stdout == "[]\n"


def test_module_of_the_app_with_the_name_of_one_of_pythons(generic: Project) -> None:
    """``flask`` looks in the working folder first; ``signal`` may not have been imported by then."""
    (generic.folder / "signal.py").write_text("BLINKER = True\n", encoding="utf-8")
    fresh = ("-B", "-m", "flask", "db")  # not forked, with all imported already
    generic.python(*fresh, "upgrade")
    assert FIRST_REVISION in generic.python(*fresh, "current").stdout
