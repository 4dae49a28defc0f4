"""Runs the contenders of a case in turns, and says what the samples amount to."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
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
    contenders: dict[str, Callable[[], Sample]], runs: int, *, warm_up: bool = True
) -> dict[str, list[Sample]]:
    """Run all contenders once a round, each round beginning with another one.

    :return: the samples of each contender, round by round, without those of the warm-up
    """
    samples: dict[str, list[Sample]] = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(-warm_up, runs):
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
        best = min(others, key=lambda name: median(sample.wall for sample in results[name]))
        least = min(median(sample.memory for sample in results[name]) for name in others)
        memory = median(sample.memory for sample in results[KIT]) / least
        lines += ["", f"To the best of the others: time {ratio(results, best):.2f} ({best}), "]
        lines[-1] += f"memory {memory:.2f}."
    return "\n".join(lines) + "\n"


def rivals(results: dict[str, list[Sample]]) -> list[str]:
    """Return the other tools that did not fail; a name in brackets is no tool."""
    return [
        name
        for name, samples in results.items()
        if name != KIT
        and KIT in results
        and not name.startswith("(")
        and not any(sample.failed for sample in samples)
    ]


def ratio(results: dict[str, list[Sample]], name: str) -> float:
    """Return the median of the kit's time to another's, round by round."""
    pairs = zip(results[KIT], results[name], strict=True)
    return median(kit.wall / other.wall for kit, other in pairs)
