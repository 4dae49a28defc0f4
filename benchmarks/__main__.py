"""The command: measures cases, prints them as tables, keeps them, and draws the figure."""

import argparse
import json
import logging
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from .cases import CASES
from .figure import draw
from .measure import Sample, in_turns, table

PACKAGES = (
    "alembic",
    "sqlalchemy",
    "flask",
    "flask-migrate",
    "flask-alembic",
    "psycopg",
    "pymysql",
)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument(
        "case", nargs="*", default=["*"], help="names, or patterns such as 'heads*'"
    )
    parser.add_argument("--list", action="store_true", help="print the names of the cases")
    parser.add_argument("--quick", action="store_true", help="small cases, one run, no warm-up")
    parser.add_argument("--runs", type=int, default=5, help="after the warm-up; 0: only read FILE")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep results; others in it stay")
    parser.add_argument("--svg", type=Path, metavar="FOLDER", help="draw what is in FILE")
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="show what failing replicas say"
    )
    return parser.parse_args()


def measure(name: str, runs: int, *, warm_up: bool) -> dict[str, list[Sample]] | None:
    """Return the samples of a case by contender; None without the server that it needs."""
    with TemporaryDirectory() as folder, ExitStack() as stack:
        try:
            contenders = CASES[name].make(Path(folder), stack)
            return in_turns(contenders, runs, warm_up=warm_up)
        except pytest.skip.Exception as error:
            print(f"**{name}**: {error}\n")
            return None


def main() -> None:
    chosen = options()
    names = [name for name in CASES if any(fnmatch(name, pattern) for pattern in chosen.case)]
    if chosen.quick and "*" in chosen.case:
        names = [name for name in names if CASES[name].is_quick]
    if not names:
        sys.exit(f"No case is called {' or '.join(chosen.case)}: see --list.")
    if chosen.list:
        print(*names, sep="\n")
        return
    if chosen.verbose:
        logging.basicConfig(level=logging.INFO)
    kept: dict[str, Any] = {"results": {}}
    if chosen.json and chosen.json.exists():
        kept = json.loads(chosen.json.read_text(encoding="utf-8"))
    if chosen.runs:
        kept["versions"] = {name: version(name) for name in PACKAGES} | {"python": python_version()}
    for name in names:
        start = time.monotonic()
        if chosen.runs:
            runs = 1 if chosen.quick else chosen.runs
            samples = measure(name, runs, warm_up=not chosen.quick)
            if samples is None:
                continue
            kept["results"][name] = {
                contender: [asdict(sample) for sample in found]
                for contender, found in samples.items()
            }
            if chosen.json:
                chosen.json.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        if name in kept["results"]:
            results = {
                contender: [Sample(**sample) for sample in found]
                for contender, found in kept["results"][name].items()
            }
            print(table(name, CASES[name].title, results), flush=True)
        print(f"{name} took {time.monotonic() - start:.0f} s", file=sys.stderr)
    print(", ".join(f"{name} {number}" for name, number in kept.get("versions", {}).items()))
    if chosen.svg:
        draw(kept["results"], {name: case.title for name, case in CASES.items()}, chosen.svg)


main()
