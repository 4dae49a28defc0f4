"""Processes inside the app: each finds out, or builds and reads with the old or the new environment.

``python -m flask_alembic_kit.inside`` reads the names of folders, a line each. A folder has a ``task`` and gets an
``answer``, both of JSON, and what the app prints, ``output``. The name is repeated when that is done.
"""

import json
import os
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

# Each task needs a process of its own. On macOS, not all that a driver may use can be used after a fork.
FORKS = sys.platform == "linux"


def main() -> None:
    """Do the tasks; where it cannot fork, one."""
    if FORKS:
        with suppress(BaseException):  # which the tasks will tell
            from . import tasks  # noqa: F401  (what takes longest, once for all)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # which is for the task
    for line in sys.stdin:
        if not FORKS or not os.fork():
            signal.signal(signal.SIGINT, signal.default_int_handler)
            do(Path(json.loads(line)))
        os.wait()
        with suppress(BrokenPipeError):  # the command was killed
            print(line, end="", flush=True)
    os._exit(0)


def do(folder: Path) -> NoReturn:
    """Do a task, write the answer, or what is wrong for the user, and end."""
    for name, descriptors in {os.devnull: [0], str(folder / "output"): [1, 2]}.items():
        file = os.open(name, os.O_RDWR | os.O_CREAT)
        for descriptor in descriptors:
            os.dup2(file, descriptor)
    task = json.loads((folder / "task").read_text(encoding="utf-8"))
    answer: dict[str, Any] = {}
    sys.argv = ["flask", "db", "current"]  # apps look at that
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
    (folder / "answer").write_text(json.dumps(answer, default=str), encoding="utf-8")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # whatever threads the app has started


main()
