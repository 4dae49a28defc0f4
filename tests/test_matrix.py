"""The definitions of matrix.py: what autogenerate compares is neither taken for different nor missed."""

from contextlib import nullcontext
from pathlib import Path

import pytest
import servers
from kit import Project
from sqlalchemy import URL


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["sqlite", "postgresql", "mysql"])
def test_matrix(dialect: str, generic: Project, tmp_path: Path) -> None:
    file = URL.create("sqlite", database=(tmp_path / "matrix.db").as_posix())
    with nullcontext(file) if dialect == "sqlite" else servers.database(dialect) as url:
        driver = str(Path(__file__).with_name("matrix.py"))
        env = {**servers.at(url), "PYTHONPATH": str(generic.folder)}
        generic.python(driver, generic.package, env=env)
