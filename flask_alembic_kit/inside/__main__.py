"""A process inside the app: finds out, or builds and reads with the old or the new environment.

``python -m flask_alembic_kit.inside TASK ANSWER``, both files of JSON.
"""

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any


def main(task_file: str, answer_file: str) -> None:
    """Do a task, and write the answer, or what is wrong for the user."""
    task = json.loads(Path(task_file).read_text(encoding="utf-8"))
    answer: dict[str, Any] = {}
    try:
        from . import tasks

        answer |= tasks.TASKS[task.pop("do")](**task)
    except BaseException as error:  # noqa: BLE001 (an app may raise anything, or exit)
        chain = [error, error.__cause__, error.__context__]
        refused = next((e for e in chain if type(e).__name__ == "Refused"), None)
        answer["error"] = str(refused or error) or type(error).__name__
        answer["option"] = getattr(refused, "option", None)
        answer["traceback"] = "" if refused else traceback.format_exc()
    if scratch := sys.modules.get(f"{__package__}.scratch"):
        for each in scratch.Scratch.all:
            each.drop()
    Path(answer_file).write_text(json.dumps(answer, default=str), encoding="utf-8")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # whatever threads the app has started


main(*sys.argv[1:])
