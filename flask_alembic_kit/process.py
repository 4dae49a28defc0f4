"""Starts the process inside the app, and takes its answer."""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from click import ClickException


def ask(task: str, **arguments: Any) -> dict[str, Any]:
    """Do a task of ``inside/tasks.py`` in a process of its own, in the current folder.

    :raises ClickException: with what the app or the task says, if it fails
    """
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        question, answer = folder / "task.json", folder / "answer.json"
        question.write_text(
            json.dumps({"do": task, "folder": str(folder), **arguments}), encoding="utf-8"
        )
        command = (sys.executable, "-m", "flask_alembic_kit.inside", str(question), str(answer))
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, encoding="utf-8", errors="replace"
        )
        if not answer.exists():
            raise ClickException(f"The app ended the process:\n{done.stdout}{done.stderr}")
        found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
    if "error" in found:
        raise ClickException(found["traceback"] + found["error"])
    return found
