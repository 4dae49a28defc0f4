"""replaces.md has a row for all that Flask-Migrate and Flask-Alembic offer, and is true."""

import inspect
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

import click
import flask_alembic.cli
import flask_migrate.cli
import pytest
from flask import Flask
from kit import ROOT, Project

TABLE = (ROOT / "tests" / "replaces.md").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Row:
    """A row of a table; what is in backticks of its cells, and the words of its note."""

    there: list[str]
    here: list[str]
    note: str
    tests: list[str]


def rows(title: str) -> list[Row]:
    """Return the rows below a title."""
    section = TABLE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    cells = [line.strip("|").split(" |") for line in section.splitlines() if line.startswith("| `")]
    assert cells and all(len(row) == 4 for row in cells), title
    there, here, tests = (
        [re.findall("`(.+?)`", row[column]) for row in cells] for column in (0, 1, 3)
    )
    notes = [row[2].strip() for row in cells]
    return [Row(*row) for row in zip(there, here, notes, tests, strict=True)]


TITLES = re.findall("^## (.*)$", TABLE, re.MULTILINE)
ROWS = {title: rows(title) for title in TITLES}
ALL = [row for title in TITLES for row in ROWS[title]]


def commands(group: click.Group) -> Iterator[str]:
    """Yield every command of a group, and every option and argument by the command's name."""
    for command in (group, *group.commands.values()):
        name = "db" if command is group else str(command.name)
        if command is not group:
            yield name
        for parameter in command.params:
            is_option = isinstance(parameter, click.Option)
            yield f"{name} {parameter.opts[-1] if is_option else str(parameter.name).upper()}"


def methods(*classes: type) -> Iterator[str]:
    """Yield what is public in classes, and the arguments that make one."""
    for each in classes:
        yield from (f"{each.__name__}.{name}" for name in vars(each) if not name.startswith("_"))
        yield from (f"{each.__name__}({name})" for name in inspect.signature(each).parameters)


def settings() -> Iterator[str]:
    """Yield what Flask-Alembic puts into the config of an app, and what is in that."""
    app = Flask(__name__)
    before = {*app.config}
    flask_alembic.Alembic(app, run_mkdir=False)
    for name in app.config.keys() - before:
        yield name
        yield from (f"{name}.{key}" for key in app.config[name])


OFFERED = {
    "Commands of Flask-Migrate": {*commands(flask_migrate.cli.db)},
    "Commands of Flask-Alembic": {*commands(flask_alembic.cli.cli)},
    "Python of Flask-Migrate": {
        *methods(flask_migrate.Migrate),
        *("Config", "Config.get_template_directory"),
        *(
            name
            for name, function in inspect.getmembers(flask_migrate, inspect.isfunction)
            if function.__module__ == "flask_migrate"
        ),
    },
    "Python of Flask-Alembic": {*methods(flask_alembic.Alembic)},
    "Settings of Flask-Alembic": {*settings()},
}


def test_there_is_a_row_for_everything_and_for_nothing_else() -> None:
    assert {*OFFERED} == {*TITLES}
    for title, offered in OFFERED.items():
        patterns = [pattern for row in ROWS[title] for pattern in row.there]
        found = {pattern: {o for o in offered if fnmatchcase(o, pattern)} for pattern in patterns}
        assert offered == set().union(*found.values()), title
        assert all(found.values()), f"{title}: no such thing in {found}"


def test_no_row_is_empty() -> None:
    for row in ALL:
        assert (row.here or row.note) and row.tests, row


def test_the_tests_are_there() -> None:
    files = [*(ROOT / "tests").glob("*.py")]
    written = {
        name for file in files for name in re.findall(r"def (test_\w+)", file.read_text("utf-8"))
    }
    assert {test for row in ALL for test in row.tests} - written == set()


# Runs the lines in the second column, in one process, and says which failed.
RUN = """
import json, shlex, sys, warnings
from PACKAGE import create_app as factory
lines = json.load(sys.stdin)
warnings.simplefilter("error")
app = factory()
runner = app.test_cli_runner()
names = {}
exec(lines.pop(0), names)
for line in lines:
    if line.startswith("flask "):
        done = runner.invoke(args=shlex.split(line)[1:])
        assert done.exit_code == 0, (line, done.output, done.exception)
    else:
        with app.app_context():
            try:
                exec(line, names)
            except BaseException as error:
                raise AssertionError(line) from error
print("ran", len(lines))
"""


@pytest.mark.slow
def test_every_line_runs(project: Project) -> None:
    (imports,) = re.findall("^```python\n(.*?)^```$", TABLE, re.MULTILINE | re.DOTALL)
    lines = [imports, *(line for row in ALL for line in row.here)]
    assert len(lines) > 80
    text = json.dumps(lines).replace("PACKAGE", project.package)
    script = RUN.replace("PACKAGE", project.package)
    done = project.python("-c", script, input=text, env={"EDITOR": sys.executable})
    assert done.stdout.endswith(f"ran {len(lines) - 1}\n")


def test_what_alembic_refuses_is_refused(generic: Project) -> None:
    for command in ("migrate", "revision"):
        assert "Using --sql with " in generic.flask("db", command, "--sql", status=None).stdout
