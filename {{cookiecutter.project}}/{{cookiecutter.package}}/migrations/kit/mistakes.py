"""Says in one line what is wrong before a database is migrated: with a URL, a file, or the revisions."""

import traceback
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

from alembic import context
from alembic.script.revision import RevisionError
from alembic.util import CommandError, to_tuple
from sqlalchemy.exc import ArgumentError, CompileError, NoReferencedTableError, NoSuchModuleError

JOIN = 'run alembic merge heads -m "join"'
STAMP = "set one that fits the tables by alembic stamp --purge REVISION"
DENIED = "This user may not read or create {error.filename}."
OPENING = ("load_module_py", "load_dotenv", "makedirs", "says_where", "template_to_file")
NAMELESS = "A check of {last.f_locals[self].table} needs a name: Boolean(name=...), as an example."
URL = "The URL of a database"
ESCAPED = "no quotes around DATABASE_URL; in a password, '@' is %40, '/' is %2F and '%' is %25."
# What an error of a class means that comes through a function, or from a module.
MISTAKES: tuple[tuple[type[BaseException], str, str], ...] = (
    (NoSuchModuleError, "load", URL + " has an unknown kind: {}."),
    (Exception, "sqlalchemy.engine.url", URL + " cannot be parsed: " + ESCAPED),
    (ArgumentError, "create_connect_args", URL + " needs one more slash: sqlite:///shop.db."),
    (ValueError, "create_connect_args", URL + " has an option with a wrong value: {}."),
    (ImportError, "import_dbapi", URL + " needs a driver: {}. Install it."),
    (UnicodeDecodeError, "parse_stream", "{file} is not UTF-8: save it as UTF-8."),
    (Exception, "file_config", "alembic.ini cannot be read: {}."),
    (SyntaxError, "load_module_py", "{error.filename}, line {error.lineno}: {error.msg}."),
    (ValueError, "source_to_code", "{file}, line 1: {}."),  # Python 3.10, of a null byte
    (AttributeError, "alembic.script.base", "{file} is not a revision: {}."),
    (TypeError, "verify_rev_id", "{file} is not a revision: its id is not a string."),
    (TypeError, "format_as_comma", "A down_revision is no string, and no tuple of strings."),
    (AssertionError, "not_none", "A revision may not have the id base: give it another one."),
    (SystemExit, "load_module_py", "{file} ends the process where it is imported."),
    (ImportError, "load_module_py", "{last.f_code.co_filename}, line {last.f_lineno}: {}."),
    (ImportError, "load_python_file", "{}: delete its link."),
    *((PermissionError, name, DENIED) for name in OPENING),
    (OSError, "template_to_file", "The revision cannot be written: {}. Delete its file."),
    (BrokenPipeError, "static_output", "The program that reads the SQL has stopped."),
    (OSError, "static_output", "The SQL cannot be written: {}."),
    (UnicodeEncodeError, "static_output", "The SQL cannot be written: {}. Set PYTHONUTF8=1."),
    (UserWarning, "_revision_map", "{}: delete one of the files, or give it another id."),
    (NoReferencedTableError, "_resolve_column", "{}: import its model, or correct the name."),
    (CompileError, "run_autogenerate", "The models do not fit this database: {error.args[0]}."),
    (Exception, "_key_constraint_name", NAMELESS),
    (Exception, "fileConfig", "The logging in alembic.ini cannot be set up: {}."),
    (RevisionError, "_revision_map", "{}: correct a down_revision."),
    (AssertionError, "_revision_for_ident", "The revision is empty: name one, such as head."),
    (AssertionError, "_parse_downgrade_target", "The database is not at one head of that branch."),
    (KeyError, "alembic.script.revision", "A revision follows or needs {}, which is missing."),
    (AttributeError, "alembic.runtime.migration", "A revision lacks a function: {}."),
)


@contextmanager
def mistakes() -> Iterator[None]:
    """Say in one line what is wrong. Show no URL, since it has a password."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "Revision .* is present more than once")
            yield
    except (Exception, SystemExit) as error:
        if not (line := in_one_line(error)):
            raise
        raise CommandError(line) from error


def in_one_line(error: BaseException) -> str | None:
    """Return what a user has to know of an error; None if it is not a mistake of a user."""
    if isinstance(error, CommandError) and "ultiple head" in str(error):
        heads = context.script.get_revisions(context.script.get_heads())
        ids = " and ".join(sorted(head.revision for head in heads))
        names = sorted(f"{label}@head" for head in heads for label in head.branch_labels)
        which = f"name {' or '.join(names)}; to upgrade, heads" if names else JOIN
        return f"There are {len(heads)} heads, {ids}: {which}."
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    places = {frame.f_code.co_name for frame in frames} | {frames[-1].f_globals["__name__"]}
    files = [getattr(frame.f_locals.get("self"), "dotenv_path", None) for frame in frames]
    files += [frame.f_locals.get("path") for frame in reversed(frames)]  # of a revision
    more = {"error": error, "last": frames[-1], "file": next(filter(None, files), "")}
    if isinstance(error, SyntaxError) and not error.filename:  # as of a file with a null byte
        error.filename, error.lineno = str(more["file"]), 1
    for kind, place, line in MISTAKES:
        if isinstance(error, kind) and place in places:
            return line.format(first_line(error), **more)
    return None


def revision_in(frames: Iterable[tuple[FrameType, int]]) -> str | None:
    """Return the id of the revision whose code is among the frames of a traceback or a stack."""
    found = (f.f_globals["revision"] for f, _ in frames if "down_revision" in f.f_globals)
    return next(map(str, found), None)


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says: drivers add advice of their own below it."""
    lines = str(getattr(error, "orig", error)).strip().splitlines()
    return " ".join(lines[0].split()).rstrip(".?:") if lines else type(error).__name__


def changed_by_hand() -> str:
    """Say what to do about rows of the version table that Alembic has not written."""
    rows = " and ".join(map(repr, context.get_context().get_current_heads()))
    return f"The version table holds {rows}, which no migration has written: {STAMP}."


def two_ways() -> str:
    """Name the two revisions below the next one that joins heads: Alembic takes neither by itself."""
    ways = context.get_context().get_current_heads()[:1]
    while len(ways) == 1:
        ways = to_tuple(context.script.get_revision(ways[0]).down_revision, ())
    return f"Two heads were joined: alembic downgrade {' or alembic downgrade '.join(ways)}."
