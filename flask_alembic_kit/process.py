"""Starts processes inside the app, and takes their answers."""

import atexit
import json
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from subprocess import PIPE
from tempfile import TemporaryDirectory
from typing import Any

import click
from click import ClickException


def ask(task: str, *, may_prompt: bool = False, **arguments: Any) -> dict[str, Any]:
    """Do a task of ``inside/tasks.py`` in a process of its own, in the current folder.

    :param may_prompt: whether a terminal is asked for what the task cannot find
    :return: its answer; ``said`` is what was asked for
    :raises ClickException: with what the app or the task says, if it fails
    """
    said: dict[str, str] = {}
    while True:
        found = answer_of(task, {**arguments, **said})
        if "error" not in found:
            return {**found, "said": said}
        option = found["option"]
        if not option or option in said or not may_prompt or not sys.stdin.isatty():
            advice = f"\nName it with --{option}." if option else ""
            raise ClickException(found["traceback"] + found["error"] + advice)
        said[option] = click.prompt(f"{found['error']}\n--{option}")


def answer_of(task: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return what a process inside the app answers.

    :raises ClickException: if it gives no answer
    """
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        question, answer, output = (folder / name for name in ("task", "answer", "output"))
        question.write_text(
            json.dumps({"do": task, "folder": str(folder), **arguments}), encoding="utf-8"
        )
        process = inside()
        try:
            name = json.dumps(str(folder))
            with suppress(BrokenPipeError):  # it has ended, and said why
                print(name, file=process.stdin, flush=True)
            if f"{name}\n" not in iter(process.stdout.readline, ""):  # type: ignore[union-attr]
                process.communicate()  # where it cannot fork, it ends with its task
                inside.cache_clear()
        except KeyboardInterrupt:
            process.communicate()  # it was interrupted, too, and drops its scratch databases
            raise
        if not answer.exists():
            printed = output.read_text("utf-8", "replace") if output.exists() else ""
            raise ClickException(f"The app ended the process:\n{printed}")
        found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
    return found


@cache
def inside() -> "subprocess.Popen[str]":
    """Start what makes a process for each task.

    As with the command ``flask``, modules of the app do not hide those of Python's own library.
    """
    start = "import sys; '' in sys.path[:1] and sys.path.pop(0); import flask_alembic_kit.inside.__main__"
    command = (sys.executable, "-c", start)
    process = subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True)
    atexit.register(process.communicate)
    return process
