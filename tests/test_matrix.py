"""The definitions of matrix.py: what autogenerate compares is neither taken for different nor missed."""

from pathlib import Path

import pytest
import servers
from kit import Project


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["sqlite", "postgresql", "mysql"])
def test_matrix(dialect: str, generic: Project, tmp_path: Path) -> None:
    with servers.database(dialect, tmp_path) as url:
        driver = str(Path(__file__).with_name("matrix.py"))
        env = {**servers.at(url), "PYTHONPATH": str(generic.folder)}
        generic.python(driver, generic.package, env=env)
