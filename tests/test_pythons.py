"""Every Python that a project says it runs on, with the newest and with the lowest dependencies."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import servers
from kit import (
    CHOICES,
    ENVIRONMENT,
    ROOT,
    Project,
    cookiecutter_config,
    new_environment,
    read_toml,
    run,
)
from servers import at
from test_readme import commands

if sys.platform == "linux":
    import forked

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"
# Python's version, and which version of each dependency is installed. With this Python and the newest of
# all, test_combinations.py runs every combination.
ENVIRONMENTS = [
    ("3.10", "lowest-direct"),
    *((f"3.{minor}", "highest") for minor in range(10, 16) if f"3.{minor}" != HERE),
]

pytestmark = pytest.mark.slow


def python(version: str) -> Path:
    """Return an interpreter: this one, pyenv's or one on the path; else the test is skipped."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found: list[Path | str | None] = [
        *pyenv.glob(f"versions/{version}.*/bin/python"),
        shutil.which(f"python{version}"),
    ]
    if version == HERE:
        found.insert(0, sys.executable)
    for path in found:
        # pyenv's shims are there for versions that they cannot start.
        if path and not subprocess.call([path, "--version"], stdout=subprocess.DEVNULL):
            return Path(path)
    pytest.skip(f"no Python {version}")


@pytest.fixture(
    scope="module",
    params=[pytest.param(each, id="-".join(each)) for each in ENVIRONMENTS],
)
def interpreter(
    request: pytest.FixtureRequest,
    rendered: Callable[..., Project],
    once: Callable[..., Path],
    uv: str,
) -> Path:
    """Python in an environment with what a project needs, whatever was chosen."""
    version, resolution = request.param
    requirements = set()
    for layer in CHOICES["layer"]:
        for database in CHOICES["database"]:
            toml = read_toml(rendered(layer=layer, database=database).folder / "pyproject.toml")
            requirements |= {*toml["project"]["dependencies"], *toml["dependency-groups"]["dev"]}

    def make(folder: Path) -> None:
        (folder / "requirements.txt").write_text("\n".join(requirements), encoding="utf-8")
        options = ("--resolution", resolution, "--requirement", folder / "requirements.txt")
        new_environment(uv, folder / "venv", *options, python=python(version))

    return forked_python(once(f"python-{version}-{resolution}", make) / "venv")


def forked_python(environment: Path) -> Path:
    """Return the interpreter of a virtual environment in which many commands run."""
    python = python_of(environment)
    if sys.platform == "linux":
        forked.PYTHONS.add(str(python))
    return python


def python_of(environment: Path) -> Path:
    """Return the interpreter of a virtual environment."""
    return environment / ("Scripts" if sys.platform == "win32" else "bin") / "python"


@pytest.mark.parametrize("layer", CHOICES["layer"])
def test_own_tests(
    rendered: Callable[..., Project], variant: str, layer: str, interpreter: Path, tmp_path: Path
) -> None:
    project = rendered(variant=variant, layer=layer).copy(tmp_path)
    run(interpreter, "-m", "pytest", "-q", cwd=project.folder, env=ENVIRONMENT)


@pytest.mark.parametrize("database", ["postgresql", "mysql"])
def test_own_tests_on_a_server(
    rendered: Callable[..., Project], variant: str, database: str, interpreter: Path, tmp_path: Path
) -> None:
    project = rendered(variant=variant, database=database).copy(tmp_path)
    server = at(servers.server(database), "TEST_DATABASE_URL")
    run(interpreter, "-m", "pytest", "-q", cwd=project.folder, env={**ENVIRONMENT, **server})


def test_url_of_postgresql_in_every_spelling(generic: Project, interpreter: Path) -> None:
    with servers.database("postgresql") as url:
        for scheme, command in {
            "postgres": "upgrade head",
            "postgresql": "check",
            "postgresql+psycopg": "downgrade base",
        }.items():
            spelled = {"DATABASE_URL": at(url)["DATABASE_URL"].replace(url.drivername, scheme)}
            environment = {**ENVIRONMENT, **spelled}
            run(interpreter, "-m", "alembic", *command.split(), cwd=generic.folder, env=environment)
        assert servers.tables(url) == {"alembic_version"}


def test_pip_before_25_1_is_replaced_first(generic: Project, uv: str, tmp_path: Path) -> None:
    """As both READMEs say: it does not know ``--group``."""
    run(uv, "venv", "--quiet", "--python", sys.executable, "venv", cwd=tmp_path)
    pip = (python_of(tmp_path / "venv"), "-m", "pip")
    env = {**ENVIRONMENT, "PIP_NO_COMPILE": "1"}
    # What a project needs is there already, for uv is faster. What the kit needs is in all other tests.
    needed = ("-r", generic.folder / "pyproject.toml", "--group", "dev")
    run(uv, "pip", "install", "--quiet", "--python", pip[0], *needed, cwd=generic.folder)
    for folder, options in ((generic.folder, ["--quiet"]), (ROOT, ["--dry-run", "--no-deps"])):
        run(uv, "pip", "install", "--quiet", "--python", pip[0], "pip<25.1", cwd=tmp_path)
        prefix = "python -m pip install "
        shown = [line for line in commands(folder / "README.md") if line.startswith(prefix)]
        assert "--group dev" in shown[-1]
        failed = run(*pip, *shown[-1].split()[3:], *options, cwd=folder, status=None, env=env)
        assert "no such option: --group" in failed.stderr
        for line in shown[:-1]:
            run(*pip, *line.split()[3:], cwd=folder, env=env)
        run(*pip, *shown[-1].split()[3:], *options, cwd=folder, env=env)
    run(pip[0], "-m", "alembic", "upgrade", "head", cwd=generic.folder)


@pytest.mark.parametrize("version", ["3.8", "3.9"])
def test_older_python_is_refused_in_one_line(version: str, uv: str, tmp_path: Path) -> None:
    """With the last cookiecutter that it can install."""
    needed = read_toml(ROOT / "pyproject.toml")["project"]["requires-python"].removeprefix(">=")
    config = str(cookiecutter_config(tmp_path / "config"))
    environment = {**ENVIRONMENT, "COOKIECUTTER_CONFIG": config}
    old = python_of(tmp_path / "venv")
    run(uv, "venv", "--quiet", "--python", python(version), "venv", cwd=tmp_path)
    run(uv, "pip", "install", "--python", old, "cookiecutter", cwd=tmp_path)
    command = (old, "-m", "cookiecutter", ROOT, "--output-dir", "out")
    done = run(*command, cwd=tmp_path, env=environment, status=1, input="\n" * 9)
    (line,) = (done.stdout + done.stderr).splitlines()
    assert f"Python {version}, and this kit needs {needed} or newer" in line
    assert not (tmp_path / "out").exists()
