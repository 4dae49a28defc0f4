"""Signals end a command: Ctrl-C, SIGTERM, and an alarm if a server does not answer."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .errors import interrupted, running_command

LONGEST = 60  # seconds


def give_up(*_: Any) -> None:
    raise TimeoutError(f"it has not answered for {LONGEST} s")


def stop(number: int, _: Any) -> None:
    signal.signal(number, signal.SIG_DFL)  # a second one ends it at once
    raise KeyboardInterrupt(number)


@contextmanager
def at_signal(name: str, function: Callable[..., None]) -> Iterator[bool]:
    """Call a function at a signal, and yield True; False outside a command, or if the app handles it."""
    number: Any = getattr(signal, name, None)  # not on Windows, nor if the app has a signal.py
    own = os.getpid()
    is_main = threading.current_thread() is threading.main_thread()  # only there are signals
    is_free = number and is_main and running_command()
    if not is_free or signal.getsignal(number) != signal.SIG_DFL:
        yield False
        return

    def handle(*arguments: Any) -> None:
        if os.getpid() == own:
            return function(*arguments)
        signal.signal(number, signal.SIG_DFL)  # one of multiprocessing, in a revision: it is ended
        os.kill(os.getpid(), number)

    signal.signal(number, handle)
    try:
        yield True
    finally:
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def stoppable() -> Iterator[None]:
    """Let SIGTERM, which ``docker stop`` sends, end a command as Ctrl-C does: rolled back, in one line."""
    try:
        with at_signal("SIGTERM", stop):
            yield
    except KeyboardInterrupt as error:
        interrupted(error, ".")
        raise


@contextmanager
def answered() -> Iterator[None]:
    """Give up on a server that accepts a connection, but does not answer; not on Windows."""
    with at_signal("SIGALRM", give_up) as has_alarm:
        try:
            if has_alarm:
                signal.alarm(LONGEST)
            yield
        finally:
            if has_alarm:
                signal.alarm(0)
