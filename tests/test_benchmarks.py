"""The benchmarks run; how long anything takes is not tested."""

import json
import os
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from kit import ROOT, run
from peers import TOOLS


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "wait4"), reason="the system does not tell what a process took")
def test_results_are_printed_kept_and_drawn(tmp_path: Path) -> None:
    """With the cheapest case only."""
    results = tmp_path / "results.json"
    options = ("--quick", "--json", str(results), "--svg", str(tmp_path))
    printed = run(sys.executable, "-m", "benchmarks", "heads-1", *options, cwd=ROOT).stdout
    contenders = json.loads(results.read_text(encoding="utf-8"))["results"]["heads-1"]
    assert {*contenders} == {tool.title for tool in TOOLS.values()} | {"(bare imports)"}
    for name, (sample,) in contenders.items():
        assert f"\n| {name} | {sample['wall']:.3f} | " in printed
        assert sample["memory"] > 10
    for theme in ("light", "dark"):
        figure = ElementTree.parse(tmp_path / f"benchmarks-{theme}.svg").getroot()
        bars = [element for element in figure if element.tag.endswith("rect")]
        assert len(bars) == len(contenders)
