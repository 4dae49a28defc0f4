"""Runs the contenders of a case in turns, and says what the samples amount to."""

import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from math import nan
from pathlib import Path
from statistics import median

from kit import ENVIRONMENT

logger = logging.getLogger("benchmarks")

# As in production: compiled modules are kept.
KEPT = {name: value for name, value in ENVIRONMENT.items() if name != "PYTHONDONTWRITEBYTECODE"}
KIT = "this kit"


@dataclass(frozen=True)
class Sample:
    """What one run took."""

    wall: float  # seconds until the last process has ended
    cpu: float  # seconds, user and system, of all processes
    memory: float  # MiB, the peak of the largest process
    failed: int  # processes whose exit status is not 0


def timed(
    *arguments: str, cwd: Path, number: int = 1, environment: dict[str, str] | None = None
) -> Sample:
    """Run Python with these arguments.

    :param number: how many processes, all at once
    :raises RuntimeError: with what the processes printed, if a single one fails
    """
    command = [sys.executable, *arguments]
    launcher = [sys.executable, "-I", "-S", str(Path(__file__).with_name("timed.py"))]
    done = subprocess.run(
        [*launcher, str(number), *command],
        check=False,
        cwd=cwd,
        env={**KEPT, **(environment or {})},
        text=True,
        capture_output=True,
    )
    *printed, result = done.stdout.splitlines() or [""]
    if done.returncode:
        raise RuntimeError(done.stderr)
    sample = Sample(**json.loads(result))
    if sample.failed:
        output = "\n".join([*printed, done.stderr])
        if number == 1:
            raise RuntimeError(f"{' '.join(command)} failed:\n{output}")
        logger.info(output)
    return sample


def in_turns(
    contenders: dict[str, Callable[[], Sample]],
    runs: int,
    *,
    seconds: float = 0,
    warm_up: bool = True,
) -> dict[str, list[Sample]]:
    """Run all contenders once a round, each round beginning with another one.

    :param runs: the least number of rounds
    :param seconds: rounds go on until so many have passed: in a short case noise weighs more
    :return: the samples of each contender, round by round, without those of the warm-up
    """
    samples: dict[str, list[Sample]] = {name: [] for name in contenders}
    names = list(contenders)
    start = time.monotonic()
    for number in count(-warm_up):
        if number >= runs and time.monotonic() - start >= seconds:
            break
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            sample = contenders[name]()
            if number >= 0:
                samples[name].append(sample)
    return samples


def table(case: str, title: str, results: dict[str, list[Sample]]) -> str:
    """Return the medians, the spread and the ratios of a case, in Markdown.

    The ratio is the kit's time to that of the row, each pair from the same round: below 1, the kit
    is faster. The last line has it to the best of the tools that did not fail.
    """
    heads = ["seconds", "from", "to", "CPU s", "MiB", "kit / it", "failed"]
    lines = [f"**{case}**: {title}", "", "| | " + " | ".join(heads) + " |", "| --- " * 8 + "|"]
    for name, samples in results.items():
        walls = [sample.wall for sample in samples]
        cells = [
            f"{median(walls):.3f}",
            f"{min(walls):.3f}",
            f"{max(walls):.3f}",
            f"{median(sample.cpu for sample in samples):.3f}",
            f"{median(sample.memory for sample in samples):.1f}",
            f"{ratio(results, name):.2f}" if KIT in results else "",
            f"{max(sample.failed for sample in samples) or ''}",
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    others = rivals(results)
    if others:
        first = best(results)
        times = f"time {ratio(results, first):.2f} ({first})"
        lines += ["", f"To the best of the others: {times}, memory {memory(results):.2f}."]
    return "\n".join(lines) + "\n"


def best(results: dict[str, list[Sample]]) -> str:
    """Return the fastest of the other tools."""
    walls = {name: median(sample.wall for sample in results[name]) for name in rivals(results)}
    return min(walls, key=walls.__getitem__)


def rivals(results: dict[str, list[Sample]]) -> list[str]:
    """Return the other tools that did not fail; names in brackets are not tools."""
    return [
        name
        for name, samples in results.items()
        if name != KIT
        and KIT in results
        and not name.startswith("(")
        and not any(sample.failed for sample in samples)
    ]


def memory(results: dict[str, list[Sample]]) -> float:
    """Return the kit's peak memory to that of the least of the others."""
    kit, *others = (
        median(sample.memory for sample in results[name]) for name in [KIT, *rivals(results)]
    )
    return kit / (min(others) or nan)


def ratio(results: dict[str, list[Sample]], name: str) -> float:
    """Return the median of the kit's time to another's, round by round."""
    return median(pairs(results, name))


def pairs(results: dict[str, list[Sample]], name: str) -> list[float]:
    """Return the kit's time to another's, round by round."""
    both = zip(results[KIT], results[name], strict=True)
    return [kit.wall / other.wall for kit, other in both]
