"""Schemas that change at random keep their rows, and match their models after every step.

Without ``EVOLUTIONS``, the number of histories for each kind of database, these are the same in every
run. With it they are others each time; ``EVOLUTION_SEED`` repeats a run.
"""

import os
import random
from pathlib import Path

import pytest
import servers
from kit import Project


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql", "mysql"])
@pytest.mark.parametrize("histories", ["3", pytest.param("12", marks=pytest.mark.slow)])
def test_no_row_is_lost_in_random_histories(
    dialect: str, histories: str, generic: Project, tmp_path: Path
) -> None:
    histories = os.environ.get("EVOLUTIONS") or histories
    seed = os.environ.get("EVOLUTION_SEED") or "1"
    if "EVOLUTIONS" in os.environ and "EVOLUTION_SEED" not in os.environ:
        seed = str(random.randrange(2**32))
    print(f"EVOLUTION_SEED={seed}")  # pytest shows it if the test fails
    with servers.database(dialect, tmp_path) as url:
        driver = str(Path(__file__).with_name("evolve.py"))
        done = generic.python(
            *(driver, generic.package, "--histories", histories, "--seed", seed),
            env={**servers.at(url), "PYTHONPATH": str(generic.folder)},
            timeout=None,
        )
    assert "histories" in done.stdout
