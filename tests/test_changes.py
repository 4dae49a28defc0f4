"""The cases of changes.py: what autogenerate writes runs on tables with rows, and loses none."""

from contextlib import nullcontext
from pathlib import Path

import pytest
import servers
from kit import Project
from sqlalchemy import URL


@pytest.mark.parametrize(
    "dialect",
    [
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.slow),
        pytest.param("mysql", marks=pytest.mark.slow),
    ],
)
def test_changes(dialect: str, generic: Project, tmp_path: Path) -> None:
    file = URL.create("sqlite", database=(tmp_path / "changed.db").as_posix())
    with nullcontext(file) if dialect == "sqlite" else servers.database(dialect) as url:
        driver = str(Path(__file__).with_name("changes.py"))
        env = {**servers.at(url), "PYTHONPATH": str(generic.folder)}
        generic.python(driver, generic.package, env=env)
