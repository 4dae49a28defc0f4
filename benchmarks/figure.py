"""Draws groups of bars as SVG, by hand: no library for a few rectangles.

The figure has no width of its own. Where it is shown with ``width="100%"`` only the bars grow and
shrink, so that text has the same size on a telephone.
"""

from dataclasses import dataclass
from html import escape

# Text, muted text, the kit's bar, those of other tools, the outline of what is only to compare.
THEMES = {
    "light": ("#1f2328", "#59636e", "#0969da", "#afb8c1", "#6e7781"),
    "dark": ("#f0f6fc", "#9198a1", "#4493f8", "#656c76", "#9198a1"),
}
LABEL, VALUE, LINE = 136, 204, 17  # pixels: where labels end, where bars begin, from bar to bar

TEXT = '<text x="{x}" y="{y}" text-anchor="end" fill="{fill}">{text}</text>'
BAR = '<rect x="{x}" y="{y}" width="50%" height="11" style="{style}" {fill}/>'


@dataclass(frozen=True)
class Bar:
    """A bar of a group."""

    name: str
    value: float
    shown: str
    kind: int  # 0: the kit, 1: another tool, 2: no tool, drawn as an outline


def draw(title: str, groups: dict[str, list[Bar]], theme: str) -> str:
    """Return a figure with a title; the bars of each group are drawn to the longest of them."""
    text, muted, kit, other, outline = THEMES[theme]
    fills = (f'fill="{kit}"', f'fill="{other}"', f'fill="none" stroke="{outline}"')
    top = 16
    drawn = [
        f'<text y="{top}" font-size="14" font-weight="600" fill="{text}">{escape(title)}</text>'
    ]
    for heading, bars in groups.items():
        top += 30
        drawn.append(f'<text y="{top}" font-weight="600" fill="{text}">{escape(heading)}</text>')
        longest = max(bar.value for bar in bars) or 1
        for bar in bars:
            top += LINE
            share = f"{bar.value / longest:.3f}"
            style = f"width:max(2px,calc((100% - {VALUE + 2}px)*{share}))"
            drawn += [
                TEXT.format(x=LABEL, y=top, fill=muted, text=escape(bar.name)),
                TEXT.format(x=VALUE - 8, y=top, fill=text, text=escape(bar.shown)),
                BAR.format(x=VALUE, y=top - 10, style=style, fill=fills[bar.kind]),
            ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="100%" height="{top + 8}" font-size="12" '
        'font-family="-apple-system, Segoe UI, Helvetica, Arial, sans-serif" role="img">\n'
        f"<title>{escape(title)}</title>\n" + "\n".join(drawn) + "\n</svg>\n"
    )
