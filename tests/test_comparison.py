"""What docs/comparison.md names is there: each row has a test, a case of it, or a benchmark."""

import re

from kit import ROOT
from peers import CASES as PEER_CASES

from benchmarks.cases import CASES

ROWS = [
    line.strip("| ").split(" | ")
    for line in (ROOT / "docs" / "comparison.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| ---")
]


def test_every_row_names_tests_and_benchmarks_that_there_are() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").glob("test_*.py"))
    written = {*re.findall(r"^def (test_\w+)", code, re.MULTILINE)}
    there = written | {*CASES} | {f"test_only_the_kit[{case}]" for case in PEER_CASES}
    shown = [re.findall("`(.+?)`", row[-1]) for row in ROWS if row[-1] != "shown by"]
    assert len(shown) > 20
    assert all(shown)
    assert all(cell.strip() for row in ROWS for cell in row)
    assert {name for names in shown for name in names} - there == set()


def test_every_case_of_the_peers_has_a_row() -> None:
    named = "".join(row[-1] for row in ROWS)
    assert [
        case for case in PEER_CASES if "replicas" not in case and f"[{case}]" not in named
    ] == []
