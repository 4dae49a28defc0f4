"""The cases of changes.py: what autogenerate writes runs on tables with rows, and loses none."""

from pathlib import Path

import pytest
import servers
from kit import ENVIRONMENT, Project, new_environment, run

from flask_alembic_kit.versions import LOWEST

DRIVER = str(Path(__file__).with_name("changes.py"))
NEEDED = (
    *("cookiecutter", "flask-sqlalchemy", "hypothesis", "python-dotenv", "sqlalchemy<2.1"),
    "tomli; python_version < '3.11'",
)


@pytest.mark.parametrize(
    "dialect",
    [
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.slow),
        pytest.param("mysql", marks=pytest.mark.slow),
    ],
)
def test_changes(dialect: str, generic: Project, tmp_path: Path) -> None:
    with servers.database(dialect, tmp_path) as url:
        env = {**servers.at(url), "PYTHONPATH": str(generic.folder)}
        generic.python(DRIVER, generic.package, env=env)


@pytest.mark.slow
@pytest.mark.parametrize("version", [LOWEST["alembic"], "1.18"])
def test_changes_with_an_older_alembic(
    version: str, generic: Project, uv: str, tmp_path: Path
) -> None:
    """Before 1.18 it knows no plugins, and before 1.19.2 none that compares checks."""
    python = new_environment(uv, tmp_path / "venv", f"alembic=={version}.*", *NEEDED) / "python"
    env = {**ENVIRONMENT, "PYTHONPATH": str(generic.folder)}
    run(python, "-m", "alembic", "upgrade", "head", cwd=generic.folder, env=env)
    generic.add_column()
    revision = ("revision", "--autogenerate", "-m", "body")
    done = run(python, "-m", "alembic", *revision, cwd=generic.folder, env=env)
    assert "Checks are not compared before Alembic 1.19.2" in done.stderr
    if version == LOWEST["alembic"]:  # what runs there and with the newest runs between them, too
        run(python, DRIVER, generic.package, cwd=generic.folder, env=env)
