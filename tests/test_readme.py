"""What the two READMEs tell people to type works when it is typed."""

import os
import re
import secrets
import shlex
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
import servers
from kit import ENVIRONMENT, ROOT, Project, cookiecutter_config, render, run
from sqlalchemy import make_url, text

# Does not end by itself, or needs one that does not: test_views_write_and_read_the_database.
SERVES = ("flask run", "uv run flask run", "curl ")
# test_render.py and test_combinations.py run these, in every combination.
SUITE = ("pytest", "ruff check", "ruff format --check", "mypy")
# What the commands below run in the environment of the tests, as they would in one of their own.
HERE = ("alembic", "flask", "pytest", "ruff", "mypy", "cookiecutter")


def commands(readme: Path) -> list[str]:
    """Return the lines of a README's shell blocks, and the commands that end lines of its tables."""
    found = re.findall(
        r"^```sh\n(.*?)^```$|^\| [^\n]* \| `((?:alembic|flask) [^\n|]*)` \|$",
        readme.read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    return [line for block, command in found for line in (block or command).splitlines()]


def block(project: Project, language: str) -> list[str]:
    """Return the lines of the only block of a language in the README of a project."""
    readme = (project.folder / "README.md").read_text(encoding="utf-8")
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    return str(found).splitlines()


def type_in(line: str, folder: Path) -> None:
    """Run a line that a README shows, without installing anything."""
    words = shlex.split(line)
    assert words[0] in HERE, f"no test runs: {line}"
    run(sys.executable, "-m", *words, cwd=folder)


@pytest.mark.parametrize(
    "variant", ["generic", pytest.param("multidb", marks=pytest.mark.slow)], indirect=True
)
def test_generated_readme(project: Project) -> None:
    """Every command in turn, and what the README says to do before or after it."""
    project.add_column()
    typed = 0
    for line in commands(project.folder / "README.md"):
        line = line.removeprefix("uv run ")
        if line in SUITE or line.startswith((*SERVES, "uv sync", "python -m pip install")):
            continue
        if " merge " in line:
            add_two_heads(project)
        if "--branch-label" in line:
            add_version_locations(project)
        type_in(line, project.folder)
        typed += 1
        if "first user" in line:
            change_data(project)
    assert typed > 15
    assert "body" in project.schema()["posts"]


def add_two_heads(project: Project) -> None:
    """Let two people add a revision to the same one."""
    (head,) = project.alembic("heads").stdout.split()[:1]
    for name in ("one", "other"):
        arguments = ("--head", head, "--splice", "--rev-id", name)
        project.alembic("revision", "-m", f"of {name}", *arguments)


def change_data(project: Project) -> None:
    """Fill in the revision that was just written, and see what it does."""
    table, upgrade, downgrade = block(project, "python")
    (path,) = project.versions.glob("*_first_user.py")
    text = path.read_text(encoding="utf-8").replace("\n\n\n", f"\n\n{table}\n\n\n", 1)
    suffix = "_auth" if project.variant == "multidb" else ""
    for function, line in (("upgrade", upgrade), ("downgrade", downgrade)):
        head, start, rest = text.partition(f"def {function}{suffix}(")
        text = head + start + rest.replace("    pass\n", f"    {line}\n", 1)
    path.write_text(text, encoding="utf-8")

    def users() -> list[tuple[str]]:
        database = project.databases["auth" if suffix else "default"]
        with closing(sqlite3.connect(database)) as connection:
            return connection.execute("SELECT name FROM users").fetchall()

    project.alembic("upgrade", "head")
    assert users() == [("Ada",)]
    project.alembic("downgrade", "-1")
    assert users() == []
    project.alembic("upgrade", "head")


def add_version_locations(project: Project) -> None:
    """Add the folders of the README to alembic.ini, where it says."""
    ini = project.folder / "alembic.ini"
    lines = ini.read_text(encoding="utf-8").splitlines(keepends=True)
    (at,) = [at for at, line in enumerate(lines) if line.startswith("script_location")]
    lines[at + 1 : at + 1] = [f"{line}\n" for line in block(project, "ini")]
    ini.write_text("".join(lines), encoding="utf-8")


def test_sql_of_what_is_pending(project: Project) -> None:
    """It leaves out what the database has, and running it is the upgrade."""
    project.alembic("upgrade", "head")
    project.add_column()
    project.new_revision("--autogenerate", "-m", "body")
    (line,) = [line for line in commands(project.folder / "README.md") if ":head --sql" in line]
    start = line.split()[2].partition(":")[0]
    assert set(re.findall("(?m)^[0-9a-f]{12}", project.alembic("current").stdout)) == {start}
    sql = project.alembic(*line.split()[1:]).stdout
    for name, file in project.databases.items():
        if project.variant == "multidb":
            sql = (project.folder / f"{name}.sql").read_text(encoding="utf-8")
        assert re.findall(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)", sql) == ["alembic_log"]
        with closing(sqlite3.connect(file)) as connection:
            connection.executescript(sql)
    project.alembic("check")
    assert "body" in project.schema()["posts"]


@pytest.mark.parametrize("variant", [pytest.param("generic", marks=pytest.mark.slow), "multidb"])
@pytest.mark.parametrize("database", ["postgresql", pytest.param("mysql", marks=pytest.mark.slow)])
def test_databases_on_a_server_without_docker(variant: str, database: str, tmp_path: Path) -> None:
    server = servers.server(database)
    if server != make_url(servers.SERVERS[database][1]):
        pytest.skip("the server of the tests is not where the README says")
    name = f"kit_{secrets.token_hex(6)}"
    project = render(
        tmp_path, {"project": "shop", "package": name, "variant": variant, "database": database}
    )
    lines = [line for line in commands(project.folder / "README.md") if name in line]
    made = [shlex.split(line) for line in lines if not line.startswith("alembic ")]
    assert len(made) == len(project.databases)
    try:
        for client, *arguments in made:
            run(installed(client), *arguments, cwd=tmp_path)
        project.alembic("upgrade", "head")
        project.alembic("check")
    finally:
        with servers.connect(server) as connection:
            for each in (name, f"{name}_auth"):
                connection.execute(text(f"DROP DATABASE IF EXISTS {each}"))


def installed(client: str) -> str:
    """Return the path of a database's client; without it the test is skipped, but fails in CI."""
    path = shutil.which(client) or shutil.which(client.replace("mariadb", "mysql"))
    if not path:
        assert "CI" not in os.environ, f"{client} is not installed"
        pytest.skip(f"{client} is not installed")
    return path


@pytest.mark.slow
def test_kit_readme_from_the_first_command_on(uv: str, tmp_path: Path) -> None:
    """With uv, into environments of their own: installs what pyproject.toml names."""
    config = cookiecutter_config(tmp_path / "config")
    environment = {name: value for name, value in ENVIRONMENT.items() if name != "VIRTUAL_ENV"}
    environment["COOKIECUTTER_CONFIG"] = str(config)
    folder, typed = tmp_path, 0
    lines = commands(ROOT / "README.md")
    lines = lines[: lines.index("uv run cookiecutter . --output-dir ..")]
    for line in sorted(lines, key=lambda line: line.endswith(" adopt")):  # into the new app, too
        if line.startswith("uvx cookiecutter"):
            line = line.replace("gh:org/flask-alembic-kit", shlex.quote(str(ROOT)))
        line = line.replace("git+https://github.com/org/flask-alembic-kit", ROOT.as_uri())
        if line.startswith("cd "):
            folder = folder / line.removeprefix("cd ")
        elif not line.startswith(SERVES):
            words = shlex.split(line)
            subcommand = ["tool", "run"] if words[0] == "uvx" else []
            run(uv, *subcommand, *words[1:], cwd=folder, env=environment, input="\n" * 9)
            typed += 1
    assert typed == 5
    assert (tmp_path / "flask-app" / "instance" / "default.db").exists()


def test_commands_in_the_clone(tmp_path: Path) -> None:
    """The first makes a project; the second is what runs this test."""
    clone = tmp_path / "clone"
    run("git", "clone", "--quiet", ROOT, clone, cwd=tmp_path)
    lines = commands(ROOT / "README.md")
    first = lines.index("uv run cookiecutter . --output-dir ..")
    assert lines[first + 1] == "uv run pytest"
    words = shlex.split(lines[first].removeprefix("uv run "))
    config = str(cookiecutter_config(tmp_path / "config"))
    run(
        *(sys.executable, "-m", *words),
        cwd=clone,
        env={**ENVIRONMENT, "COOKIECUTTER_CONFIG": config},
        input="\n" * 9,
    )
    run(sys.executable, "-m", "alembic", "upgrade", "head", cwd=tmp_path / "flask-app")


def test_neither_lock_nor_environment_is_tracked() -> None:
    listed = run("git", "ls-files", cwd=ROOT).stdout.split("\n")
    assert not [name for name in listed if name.endswith("uv.lock") or "/.venv" in name]
