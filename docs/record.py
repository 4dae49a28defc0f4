"""Records the first minute with a new project, and draws it as ``first-minute.svg`` beside this file.

``uv run python docs/record.py`` runs every command for real, on a pseudo-terminal, in a temporary
folder. What uv would install is what runs this script. The text stays text, and CSS shows each part at
its time; where nothing moves, the last screen is shown.
"""

import fcntl
import os
import pty
import re
import select
import shlex
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.color import ColorType
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
CONSOLE = Console(color_system="truecolor")
COLUMNS, ROWS = 64, 26
CELL, LINE, MARGIN = 8.43, 18, 14  # pixels
# What is typed, and the answers to its questions.
STORY: list[tuple[str, list[str]]] = [
    ("uvx cookiecutter gh:org/flask-alembic-kit", [""] * 5),
    ("cd flask-app", []),
    ("uv run alembic upgrade head", []),
    ("sed -i.old s/title/headline/g flask_app/models.py flask_app/views.py", []),
    ("grep headline flask_app/models.py", []),
    ("uv run alembic revision --autogenerate -m headline", ["y"]),
    ("uv run alembic upgrade head", []),
    ("uv run alembic check", []),
]
QUESTION = re.compile(r"(\):|\[y/N\])\s*$")
# All but colours: what a terminal does and does not show.
CONTROL = re.compile(r"\x1b\[[?>=]?[\d;]*[A-HJKSTfhlnrsu]|\x1b[()=>][\dAB]?|\x07")


@dataclass
class Recording:
    """What is shown, part by part, each with its second."""

    home: Path
    clock: float = -0.6  # the first prompt is there at once
    parts: list[tuple[float, str]] = field(default_factory=list)

    def show(self, text: str, pause: float = 0.0) -> None:
        self.clock += pause
        self.parts.append((round(self.clock, 2), CONTROL.sub("", text)))

    def run(self, command: list[str], answers: list[str], folder: Path) -> None:
        """Run a command on a terminal, and answer when it asks; the home folder is shown as ``~``."""
        terminal, its_end = pty.openpty()
        fcntl.ioctl(its_end, termios.TIOCSWINSZ, struct.pack("4H", ROWS, COLUMNS, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}
        process = subprocess.Popen(
            *(command,), stdin=its_end, stdout=its_end, stderr=its_end, cwd=folder, env=environment
        )
        os.close(its_end)
        shown, left, before = "", [*answers], time.monotonic()
        while select.select([terminal], [], [], 60)[0]:
            try:
                read = os.read(terminal, 4096).decode().replace("\r\n", "\n")
            except OSError:  # the other end is closed
                break
            pause, before = time.monotonic() - before, time.monotonic()
            self.show(read.replace(str(self.home), "~"), min(pause, 0.8))
            shown = CONTROL.sub("", shown + read)
            if left and QUESTION.search(re.sub(r"\x1b\[[\d;]*m", "", shown)):
                self.clock += 1.0 if left[0] else 0.7
                os.write(terminal, f"{left.pop(0)}\n".encode())
                shown = ""
        os.close(terminal)
        if process.wait(10) or left:
            raise SystemExit(f"{shlex.join(command)} failed:\n{shown}")


def record(folder: Path) -> Recording:
    """Run the story in an empty folder."""
    config = folder.with_name("cookiecutter.yaml")
    config.write_text(f"cookiecutters_dir: {folder}-t\nreplay_dir: {folder}-r\n", encoding="utf-8")
    os.environ["COOKIECUTTER_CONFIG"] = str(config)
    recording = Recording(folder)
    for line, answers in STORY:
        recording.show("\x1b[1;32m$\x1b[0m ", 0.6)
        recording.show(f"\x1b[1m{line}\x1b[0m\n", 1.0)
        words = shlex.split(line.replace("gh:org/flask-alembic-kit", shlex.quote(str(ROOT))))
        if words[0] == "cd":
            folder /= words[1]
            continue
        if words[0] in ("uv", "uvx"):
            words = [sys.executable, "-m", *words[2 if words[0] == "uv" else 1 :]]
        recording.run(words, answers, folder)
    return recording


def rows(recording: Recording) -> list[list[tuple[float, Text]]]:
    """Return the lines of the terminal, each with its parts and their seconds."""
    found: list[list[tuple[float, Text]]] = [[]]
    style = ""  # of the terminal, which a part may leave on
    for second, text in recording.parts:
        for number, line in enumerate(text.split("\n")):
            if number:
                found.append([])
            decoded = Text.from_ansi(style + line.replace("\r", "")) if line else Text()
            style = "".join(re.findall(r"\x1b\[[\d;]*m", style + line)[-4:])
            while decoded:
                room = COLUMNS - sum(len(part) for _, part in found[-1])
                found[-1].append((second, decoded[:room]))
                decoded = decoded[room:]
                if decoded:
                    found.append([])
    return found if found[-1] else found[:-1]


def spans(text: Text, second: float) -> str:
    """Return a part of a line: what has one style is one element."""
    drawn = []
    bounds = sorted({0, len(text), *(at for span in text.spans for at in (span.start, span.end))})
    for start, end in pairwise(bounds):
        piece = text[start:end]
        style = piece.get_style_at_offset(CONSOLE, 0)
        fill = ""
        if style.color and style.color.type is not ColorType.DEFAULT:
            fill = f' fill="{style.color.get_truecolor(MONOKAI).hex}"'
        weight = ' font-weight="700"' if style.bold else ""
        name = f"t{round(second * 100)}"
        drawn.append(f'<tspan class="{name}"{fill}{weight}>{escape(piece.plain)}</tspan>')
    return "".join(drawn)


def draw(recording: Recording) -> str:
    """Return the recording as SVG."""
    lines = rows(recording)
    end = recording.clock + 6
    styles, texts, scrolls = {}, [], ["0%{transform:none}"]
    for number, parts in enumerate(lines):
        text = "".join(spans(part, second) for second, part in parts)
        texts.append(f'<text y="{MARGIN + LINE * (number + 1) - 5:g}">{text}</text>')
        for second, _ in parts:
            share, name = f"{100 * second / end:.2f}%", f"t{round(second * 100)}"
            styles[name] = (
                f"@keyframes {name}{{0%{{visibility:hidden}}{share}{{visibility:visible}}}}"
            )
        if parts and number >= ROWS:
            at = 100 * parts[0][0] / end
            scrolls.append(f"{at:.2f}%{{transform:translateY({LINE * (ROWS - 1 - number)}px)}}")
    up = LINE * min(0, ROWS - len(lines))
    css = "".join(styles.values()) + "".join(f".{name}{{animation-name:{name}}}" for name in styles)
    width, height = COLUMNS * CELL + 2 * MARGIN, ROWS * LINE + 2 * MARGIN
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img">
<title>The first minute with a new project</title>
<style>
text{{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;\
white-space:pre;fill:#e6edf3}}
tspan,.all{{animation:{end:.1f}s step-end infinite}}
.all{{transform:translateY({up}px);animation-name:all}}
@keyframes all{{{"".join(scrolls)}}}
{css}
@media(prefers-reduced-motion:reduce){{tspan,.all{{animation:none}}}}
</style>
<rect width="100%" height="100%" rx="8" fill="#161b22"/>
<svg x="{MARGIN}" y="{MARGIN}" width="{width - 2 * MARGIN:g}" height="{ROWS * LINE}">\
<g class="all"><g transform="translate(0 -{MARGIN})">
{chr(10).join(texts)}
</g></g></svg>
</svg>
"""


def main(path: Path) -> None:
    with TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        home.mkdir()
        recording = record(home)
    path.write_text(draw(recording), encoding="utf-8")
    print(f"{path}: {path.stat().st_size} bytes, {recording.clock:.0f} s")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).with_name("first-minute.svg"))
