"""The error that is one line for the user."""

import traceback
from pathlib import Path

# Where Alembic puts revisions in order; each that one comes after has to be there.
REVISIONS = str(Path("alembic", "script", "revision.py"))


class Refused(Exception):
    """Says what is wrong, and what to do.

    :param option: of the command, by which the user says what was not found
    """

    def __init__(self, message: str, option: str | None = None) -> None:
        super().__init__(message)
        self.option = option


def where(error: BaseException) -> str:
    """Return what an error is, and in which line: the last of the app's own, if there is one."""
    # Of a driver, without what SQLAlchemy adds.
    said = f"{type(error).__name__}: {' '.join(str(getattr(error, 'orig', error)).split())}"
    if isinstance(error, SyntaxError) and error.filename:
        said = f"SyntaxError: {error.msg}"
        return f"{said}, in {shown(error.filename)}:{error.lineno}: {(error.text or '').strip()}"
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, KeyError) and frames[-1].filename.endswith(REVISIONS):
        return f"a revision has down_revision {error}, which no file has"
    return said.removesuffix(".") + line_of(error)


def line_of(error: BaseException) -> str:
    """Return the last line of the app's own that an error came through, as the end of a sentence."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(shown(frame.filename))
        if not path.is_absolute() and path.exists():
            return f", in {path}:{frame.lineno}: {frame.line}"
    return ""  # a line of a library is none that its user can mend


def shown(file: str) -> str:
    """Return the path of a file: from the current folder if it is in there, and not installed."""
    path, here = Path(file), Path.cwd()
    is_own = path.is_relative_to(here) and "site-packages" not in path.parts
    return str(path.relative_to(here) if is_own else path)


def is_ours(error: BaseException) -> bool:
    """Say whether the line that failed is one of this package."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return Path(frame.filename).is_relative_to(Path(__file__).parent)
