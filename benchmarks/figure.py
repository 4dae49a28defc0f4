"""Draws the results as bars, by hand: no library for a few rectangles."""

from html import escape
from pathlib import Path
from statistics import median
from typing import Any

from .measure import KIT

# What the figure shows, of what has been measured.
SHOWN = (
    "upgrade-1000-sqlite",
    "upgrade-1000-postgresql",
    "heads-1000",
    "check-500-postgresql",
    "tests-200-sqlite",
)
# Text, muted text, the kit's bar, the others' bars.
THEMES = {
    "light": ("#1f2328", "#59636e", "#0969da", "#c8d1da"),
    "dark": ("#f0f6fc", "#9198a1", "#4493f8", "#3d444d"),
}
WIDTH, LABEL, BAR, LINE = 760, 200, 440, 22  # pixels


def draw(results: dict[str, Any], titles: dict[str, str], folder: Path) -> None:
    """Write benchmarks-light.svg and benchmarks-dark.svg.

    :param results: the samples by case and contender, as in the JSON file
    """
    folder.mkdir(parents=True, exist_ok=True)
    for theme, colours in THEMES.items():
        names = [name for name in SHOWN if name in results] or list(results)
        bars, height = [], 8
        for name in names:
            found, height = group(titles[name], results[name], height, colours)
            bars += found
        svg = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            f'viewBox="0 0 {WIDTH} {height}" role="img" font-size="13" '
            'font-family="-apple-system, Segoe UI, Helvetica, Arial, sans-serif">\n'
            "<title>Seconds of each tool; shorter is better</title>\n"
        )
        text = svg + "\n".join(bars) + "\n</svg>\n"
        (folder / f"benchmarks-{theme}.svg").write_text(text, encoding="utf-8")


def group(
    title: str, contenders: dict[str, Any], top: int, colours: tuple[str, ...]
) -> tuple[list[str], int]:
    """Return a title, a bar for each contender, and where the next group begins."""
    text, muted, kit, other = colours
    seconds = {
        name: median(sample["wall"] for sample in samples) for name, samples in contenders.items()
    }
    longest = max(seconds.values())
    title = escape(title.replace("`", ""))
    drawn = [f'<text x="0" y="{top + 14}" font-weight="600" fill="{text}">{title}</text>']
    for name, value in seconds.items():
        top += LINE
        length = max(1, round(BAR * value / longest))
        failed = any(sample["failed"] for sample in contenders[name])
        shown = f"{value:.2f} s{' (failed)' * failed}"
        fill = kit if name == KIT else other
        opacity = 0.5 if name.startswith("(") else 1  # no tool
        label = f'<text x="{LABEL - 8}" y="{top + 14}" text-anchor="end" fill="{muted}">'
        bar = f'<rect x="{LABEL}" y="{top + 3}" width="{length}" height="14" rx="2" fill="{fill}"'
        drawn += [
            f"{label}{escape(name)}</text>",
            f'{bar} fill-opacity="{opacity}"/>',
            f'<text x="{LABEL + length + 6}" y="{top + 14}" fill="{text}">{shown}</text>',
        ]
    return drawn, top + LINE + 12
