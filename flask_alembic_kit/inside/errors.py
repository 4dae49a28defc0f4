"""The error that is one line for the user."""

import traceback
from pathlib import Path


class Refused(Exception):
    """Says what is wrong, and what to do.

    :param option: of the command, by which the user says what was not found
    """

    def __init__(self, message: str, option: str | None = None) -> None:
        super().__init__(message)
        self.option = option


def where(error: BaseException) -> str:
    """Return what an error is, and in which line: the last of the app's own, if there is one."""
    said = f"{type(error).__name__}: {' '.join(str(error).split())}"
    if isinstance(error, SyntaxError) and error.filename:
        said = f"SyntaxError: {error.msg}"
        return f"{said}, in {shown(error.filename)}:{error.lineno}: {(error.text or '').strip()}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).exists()]
    own = [frame for frame in frames if not Path(shown(frame.filename)).is_absolute()]
    frame = (own or frames)[-1]
    return f"{said}, in {shown(frame.filename)}:{frame.lineno}: {frame.line}"


def shown(file: str) -> str:
    """Return the path of a file: from the current folder if it is in there, and not installed."""
    path, here = Path(file), Path.cwd()
    is_own = path.is_relative_to(here) and "site-packages" not in path.parts
    return str(path.relative_to(here) if is_own else path)


def is_ours(error: BaseException) -> bool:
    """Say whether the line that failed is one of this package."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return Path(frame.filename).is_relative_to(Path(__file__).parent)
