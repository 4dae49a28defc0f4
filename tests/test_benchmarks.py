"""The benchmarks run; how long anything takes is not tested."""

import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from kit import ROOT, run
from peers import TOOLS


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "wait4"), reason="the system does not tell what a process took")
def test_results_are_printed_kept_and_published(tmp_path: Path) -> None:
    """With the cheapest case only, beside the results that the documentation has."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "README.md", tmp_path)
    options = ("--quick", "--publish", str(tmp_path))
    printed = run(sys.executable, "-m", "benchmarks", "heads-1", *options, cwd=ROOT).stdout
    text = (tmp_path / "docs" / "measured.json").read_text(encoding="utf-8")
    contenders = json.loads(text)["results"]["heads-1"]
    assert {*contenders} == {tool.title for tool in TOOLS.values()} | {"(bare imports)"}
    page = (tmp_path / "docs" / "performance.md").read_text(encoding="utf-8")
    row, _ = re.findall(r"^\| `heads`, 1 revision \|(.*)`heads-1` \|$", page, re.MULTILINE)
    for name, (sample,) in contenders.items():
        assert f"\n| {name} | {sample['wall']:.3f} | " in printed
        assert sample["memory"] > 10
        assert name.startswith("(") or f" {sample['wall']:.2f} |" in row


@pytest.mark.slow
def test_first_minute_is_recorded(tmp_path: Path) -> None:
    """As it is now: what is in the documentation may be from an older kit."""
    figure = tmp_path / "first-minute.svg"
    run(sys.executable, "docs/record.py", figure, cwd=ROOT)
    drawn = figure.read_text(encoding="utf-8")
    assert "No new upgrade operations detected." in drawn and "/tmp/" not in drawn
