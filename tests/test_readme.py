"""What the two READMEs tell people to type works when it is typed."""

import os
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from kit import ENVIRONMENT, ROOT, Project, cookiecutter_config, run

UV = shutil.which("uv")
# Does not end by itself, or needs one that does not: test_views_write_and_read_the_database.
SERVES = ("flask run", "uv run flask run", "curl ")
# What the commands below run in the environment of the tests, as they would in one of their own.
HERE = ("alembic", "flask", "pytest", "ruff", "mypy", "cookiecutter")


def commands(readme: Path) -> list[str]:
    """Return the lines of a README's shell blocks."""
    blocks = re.findall(
        r"^```sh\n(.*?)^```$", readme.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    return [line for block in blocks for line in block.splitlines()]


def tables(readme: Path) -> list[str]:
    """Return the commands in the last column of a README's tables."""
    return re.findall(
        r"^\| .* \| `(alembic .*)` \|$", readme.read_text(encoding="utf-8"), re.MULTILINE
    )


def type_in(line: str, folder: Path) -> None:
    """Run a line that a README shows, without installing anything."""
    words = shlex.split(line)
    assert words[0] in HERE, f"no test runs: {line}"
    run(sys.executable, "-m", *words, cwd=folder)


def test_generated_readme(project: Project) -> None:
    project.add_column()
    typed = 0
    for line in commands(project.folder / "README.md"):
        line = line.removeprefix("uv run ")
        if not line.startswith((*SERVES, "uv sync", "python -m pip install")):
            type_in(line, project.folder)
            typed += 1
    assert "body" in project.schema()["posts"]
    for line in tables(project.folder / "README.md"):
        type_in(line, project.folder)
        typed += 1
    assert typed > 10


@pytest.fixture
def uv(tmp_path: Path) -> str:
    if not UV:
        assert "CI" not in os.environ, "uv is not installed"
        pytest.skip("uv is not installed")
    return UV


def test_kit_readme_from_the_first_command_on(uv: str, tmp_path: Path) -> None:
    """With uv, into environments of their own: installs what pyproject.toml names."""
    config = cookiecutter_config(tmp_path / "config")
    environment = {name: value for name, value in ENVIRONMENT.items() if name != "VIRTUAL_ENV"}
    environment["COOKIECUTTER_CONFIG"] = str(config)
    folder, typed = tmp_path, 0
    for line in commands(ROOT / "README.md"):
        if line == "uv run cookiecutter . --output-dir ..":
            break
        if line.startswith("uvx cookiecutter"):
            line = line.replace("gh:org/flask-alembic-kit", shlex.quote(str(ROOT)))
        if line.startswith("cd "):
            folder = folder / line.removeprefix("cd ")
        elif not line.startswith(SERVES):
            words = shlex.split(line)
            subcommand = ["tool", "run"] if words[0] == "uvx" else []
            run(uv, *subcommand, *words[1:], cwd=folder, env=environment, input="\n" * 9)
            typed += 1
    assert typed == 4
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
