"""A process that is forked does what one does that is started."""

import sys
from pathlib import Path

import forked
import pytest
from kit import ANY, ENVIRONMENT, run

pytestmark = pytest.mark.skipif(not forked.can_run("-c"), reason="nothing is forked there")


@pytest.mark.parametrize(
    "code",
    [
        "import os; print(os.getcwd(), dict(os.environ))",
        "import sys; print(sys.argv, sys.path[:2], __name__); print('é', file=sys.stderr)",
        "import sys; print(sys.stdin.read(), sys.flags, 'shop' in sys.modules)",
        "import atexit; atexit.register(print, 'at its end')",
        "raise SystemExit(3)",
        "raise SystemExit('not so')",
        "raise SystemExit(-1)",
        "import os; os.kill(os.getpid(), 9)",
        "import os, signal; print(signal.getsignal(signal.SIGINT)); os.kill(os.getpid(), 15)",
    ],
)
def test_same_as_a_process_that_is_started(code: str, tmp_path: Path) -> None:
    environment = {**ENVIRONMENT, "SHOP": "ü", "PYTHONPATH": str(tmp_path)}
    arguments = ("-c", code, "--an-argument", "another one")
    expected = run(sys.executable, *arguments, cwd=tmp_path, env=environment, status=ANY, input="")
    done = forked.run(*arguments, cwd=tmp_path, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (
        expected.returncode,
        expected.stdout,
        expected.stderr,
    )


def test_exception_has_its_traceback_and_status(tmp_path: Path) -> None:
    done = forked.run("-c", "1 / 0", cwd=tmp_path, env=ENVIRONMENT)
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback") and "ZeroDivisionError" in done.stderr


def test_nothing_is_left_of_the_process_before(tmp_path: Path) -> None:
    code = "import sys, flask; print(hasattr(flask, 'mine'), 'this' in sys.modules); flask.mine = 1"
    for _ in range(2):
        done = forked.run("-c", f"{code}; import this", cwd=tmp_path, env=ENVIRONMENT)
        assert done.stdout.startswith("False False\n")


def test_who_takes_too_long_is_killed(tmp_path: Path) -> None:
    done = forked.run("-c", "import time; time.sleep(9)", cwd=tmp_path, env=ENVIRONMENT, timeout=1)
    assert done.returncode < 0
