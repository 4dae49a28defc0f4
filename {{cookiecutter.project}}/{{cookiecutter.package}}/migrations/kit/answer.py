"""Limits how long a server may take to let a command in: PyMySQL waits for ever if it says nothing."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic import context

from .logs import is_command

LONGEST = 60  # seconds


def give_up(*_: Any) -> None:
    raise TimeoutError(f"it has not answered for {LONGEST} s")


@contextmanager
def answered() -> Iterator[None]:
    """Give up on a server that takes a connection, and then does not answer; not on Windows."""
    is_main = threading.current_thread() is threading.main_thread()  # only there are signals
    has_alarm = is_main and is_command(context.config) and hasattr(signal, "SIGALRM")
    before = signal.signal(signal.SIGALRM, give_up) if has_alarm else None
    try:
        if has_alarm:
            signal.alarm(LONGEST)
        yield
    finally:
        if has_alarm:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)
