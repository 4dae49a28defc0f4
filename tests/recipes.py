"""Recipes of the documentation, followed as they stand, and what tests look at afterwards."""

import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import servers
from kit import ENVIRONMENT, ROOT, cookiecutter_config, run
from sqlalchemy import URL, MetaData, create_engine
from sqlalchemy.schema import CreateIndex, CreateTable

DIALECTS = ("sqlite", "postgresql")
HISTORY = ROOT / "docs" / "history.md"
Databases = dict[str, URL]
USERS = "INSERT INTO users (id, name) VALUES (1, 'Ada'), (2, 'Bob')"
POSTS = "INSERT INTO posts (id, title, author_id) VALUES (1, 'One', 1), (2, 'Two', 2)"


@contextmanager
def empty_databases(dialect: str, folder: Path, *names: str) -> Iterator[Databases]:
    """Make an empty database for each name, and drop it afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        yield {name: stack.enter_context(servers.database(dialect, folder)) for name in names}


@contextmanager
def on_each_dialect(folder: Path, *names: str) -> Iterator[list[Databases]]:
    """Make empty databases on SQLite, and on PostgreSQL."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(empty_databases(dialect, folder / dialect, *names))
            for dialect in DIALECTS
        ]


def using(databases: Databases) -> dict[str, str]:
    """Return the environment in which an app uses the databases."""
    environment = dict(ENVIRONMENT)
    for name, url in databases.items():
        environment |= servers.at(url, variable_of(name))
    return environment


def variable_of(name: str) -> str:
    """Return the variable of the environment for the URL of a database."""
    return "DATABASE_URL" if name == "default" else f"{name.upper()}_DATABASE_URL"


def section(heading: str) -> str:
    """Return the text below a heading."""
    _, _, rest = HISTORY.read_text(encoding="utf-8").partition(f"\n## {heading}\n")
    assert rest, f"{HISTORY.name} has no section {heading}"
    return rest.partition("\n## ")[0]


def recipe(heading: str, number: int = 0) -> str:
    """Return the commands of a block of a section."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", section(heading), re.MULTILINE | re.DOTALL)
    return str(blocks[number])


# Runs a tool in an environment without the kit, which is installed here to be edited: its folder on
# sys.path would put this version of kit_answers.py in the place of that which is rendered.
UVX = f"""
import runpy, sys
sys.path = [path for path in sys.path if path != {str(ROOT)!r}]
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def follow(commands: str, folder: Path, databases: Databases | None = None) -> str:
    """Run commands in a shell, in a folder, and return what they print.

    What uv would install is what the tests are installed with.
    """
    shell = shutil.which("sh")
    if shell is None:
        pytest.skip("there is no sh")
    tools = folder.parent / f"{folder.name}-tools"
    tools.mkdir(exist_ok=True)
    python = shlex.quote(sys.executable)
    for name, arguments in {"uvx": f"-c {shlex.quote(UVX)}", "alembic": "-m alembic"}.items():
        script = tools / name
        script.write_text(f'#!/bin/sh\nexec {python} {arguments} "$@"\n')
        script.chmod(0o755)
    environment = using(databases or {})
    environment["PATH"] = f"{tools}:{environment['PATH']}"
    environment["COOKIECUTTER_CONFIG"] = str(cookiecutter_config(tools))
    commands = commands.replace("gh:org/flask-alembic-kit", shlex.quote(str(ROOT)))
    return run(shell, "-ec", commands, cwd=folder, env=environment).stdout


WALK = """
import json, os, sys
from alembic.config import main
from sqlalchemy import create_engine, inspect, text

def rows(engine):
    tables = {*inspect(engine).get_table_names()} - {"alembic_version", "alembic_log"}
    with engine.connect() as connection:
        count = lambda table: connection.execute(text(f"SELECT count(*) FROM {table}")).scalar()
        return {table: count(table) for table in tables}

databases, *commands = map(json.loads, sys.argv[1:])
for variables in databases:
    os.environ.update(variables.values())
    for command in commands:
        if command == "rows":
            found = {name: rows(create_engine(url)) for name, (_, url) in variables.items()}
            print("ROWS", json.dumps(found), flush=True)
        else:
            main(command.split())
"""


def walk(
    folder: Path, databases: list[Databases], *commands: str
) -> list[dict[str, dict[str, int]]]:
    """Run commands of ``alembic`` in one process, each of which must succeed.

    :param databases: those of the app, once for each time that all the commands are run
    :param commands: among them ``rows``, which looks at what is there
    :return: for each ``rows``, the number of rows by database and table
    """
    variables = [
        {
            name: variable
            for name in each
            for variable in servers.at(each[name], variable_of(name)).items()
        }
        for each in databases
    ]
    arguments = [json.dumps(argument) for argument in (variables, *commands)]
    done = run(sys.executable, "-c", WALK, *arguments, cwd=folder)
    return [
        json.loads(line.removeprefix("ROWS "))
        for line in done.stdout.splitlines()
        if line.startswith("ROWS ")
    ]


def write_rows(databases: Databases, rows: dict[str, list[str]]) -> None:
    """Execute statements in each database."""
    for name, statements in rows.items():
        engine = create_engine(databases[name])
        with engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
        engine.dispose()


def schema(url: URL) -> dict[str, str]:
    """Return the SQL of each table, with its indexes, as SQLAlchemy reflects it."""
    metadata = MetaData()
    with servers.connect(url) as connection:
        metadata.reflect(connection)
        found = {}
        for name, table in metadata.tables.items():
            indexes = sorted(str(CreateIndex(index)) for index in table.indexes)
            found[name] = str(CreateTable(table).compile(connection)) + "".join(indexes)
        return found


def there_and_back(folder: Path, databases: list[Databases], rows: dict[str, Any]) -> None:
    """Go down by one and up again with rows in the tables; then to empty, and to head."""
    to_empty_and_back(
        folder, databases, rows, "upgrade heads", "check", "downgrade -1", "upgrade heads"
    )


def to_empty_and_back(
    folder: Path, databases: list[Databases], rows: dict[str, Any], *before: str
) -> None:
    """Run commands, see that the rows are there, then go to empty, and from empty to head."""
    empty: dict[str, Any] = {name: {} for name in rows}
    made = {name: dict.fromkeys(tables, 0) for name, tables in rows.items()}
    steps = (*before, "rows", "downgrade base", "rows", "upgrade heads", "check", "rows")
    assert walk(folder, databases, *steps) == [rows, empty, made] * len(databases)
