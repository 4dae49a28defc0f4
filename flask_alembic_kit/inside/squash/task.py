"""The tasks of squash in the process inside the app."""

import ast
import re
import traceback
from pathlib import Path
from textwrap import wrap
from typing import Any

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from ..environments import Environment, Kit, adopted, database_of, new_environment
from ..errors import Refused, is_ours, where
from ..loading import load
from ..scratch import Scratch
from .baseline import Choices, Code, code_for, copied
from .chain import Chain, chain
from .state import State

States = dict[str, State]
SQUASHED = "squashed.py"  # the file of the new revision, while it is tried


class Alone(Kit):
    """The environment of the app with one revision, in a folder of its own."""

    def __init__(self, environment: Environment, versions: Path) -> None:
        super().__init__(environment.folder, environment.ini)
        self.versions = versions

    def config(self) -> Config:
        config = super().config()
        config.set_main_option("version_locations", str(self.versions).replace("%", "%%"))
        return config


def chained(app: str | None, folder: str, ini: str, rev: str | None) -> dict[str, Any]:
    """Return the revisions that would be replaced, without touching a database."""
    if not adopted(Path(ini)):
        raise Refused(
            "There is no alembic.ini of the kit in this folder: see flask-alembic-kit adopt."
        )
    application, _ = load(app)
    with application.app_context():
        script = new_environment(Path(ini)).script()
        try:
            if left := left_over(script):
                return {"left": left}
            found = read_chain(script, rev, Path(ini).parent)
        except Exception as error:  # of whatever a file imports
            if isinstance(error, Refused) or is_ours(error):
                raise
            raise Refused(f"The revisions cannot be read: {where(error)}") from error
    return {
        "left": [],
        "revision": found.last.revision,
        "file": str(Path(found.last.path).resolve()),
        "replaced": [f"{each.revision} {' '.join(each.doc.split())}" for each in found.replaced],
        "files": [str(file) for file in found.files],
    }


def left_over(script: ScriptDirectory) -> list[str]:
    """Return the files that an earlier run, which was killed, has not deleted."""
    every = list(script.walk_revisions())
    gone = {id_ for each in every for id_ in getattr(each.module, "replaces", ())}
    return [str(Path(each.path).resolve()) for each in every if each.revision in gone]


def read_chain(script: ScriptDirectory, rev: str | None, root: Path) -> Chain:
    """Return the revisions that one revision will replace.

    :raises Refused: if the files cannot be read as revisions
    """
    try:
        return chain(script, rev, root.resolve())
    except CommandError as error:
        raise Refused(str(error)) from error


def squash(
    app: str | None,
    folder: str,
    ini: str,
    rev: str,
    copy: list[str],
    commit: str,
    server: str | None,
) -> dict[str, Any]:
    """Return the text of the revision that makes the same, or what differs.

    :param copy: revisions whose operations are copied
    :param commit: that has the revisions
    :param server: the URL where scratch databases are made
    """
    scratches = Scratches(Path(folder), server)  # first: a factory may connect
    application, _ = load(app)
    environment = new_environment(Path(ini))
    with application.app_context():
        found = read_chain(environment.script(), rev, Path(ini).parent)
        try:
            return Squash(environment, found, scratches, copy, commit).run()
        except (CommandError, SQLAlchemyError, OSError) as error:
            raise Refused(line_of(error)) from error


class Scratches:
    """Makes scratch databases, new ones each time."""

    def __init__(self, folder: Path, server: str | None) -> None:
        self.folder = folder
        try:
            self.server = make_url(server) if server else None
        except SQLAlchemyError as error:
            raise Refused("--scratch is not the URL of a server.") from error
        self.made: list[Scratch] = []
        self.first = self.new()

    def new(self) -> Scratch:
        folder = self.folder / f"databases_{len(self.made)}"
        folder.mkdir()
        scratch = Scratch(folder, "kit_squash", self.server)
        self.made.append(scratch)
        return scratch


class Squash:
    """Builds databases by the old revisions and by the new one until both are the same."""

    def __init__(
        self,
        environment: Environment,
        found: Chain,
        scratches: Scratches,
        copy: list[str],
        commit: str,
    ) -> None:
        self.environment = environment
        self.chain = found
        self.scratches = scratches
        self.copy = [self.copied(name) for name in copy]
        self.commit = commit
        self.choices: dict[str, Choices] = {}

    def copied(self, name: str) -> tuple[str, str, set[str]]:
        """Return a revision that is copied.

        :raises Refused: if it is none of those that are replaced
        """
        for each in self.chain.replaced:
            if each.revision.startswith(name):
                return copied(Path(each.path).read_text(encoding="utf-8"), each.revision)
        raise Refused(
            f"{name} cannot be copied: it is no revision up to {self.chain.last.revision}."
        )

    def run(self) -> dict[str, Any]:
        """Return the new revision and what it copies, or what differs."""
        scratch = self.scratches.first
        with scratch.on():
            self.build_old()
            old = self.environment.read(State)
        if len(scratch.used) < len(old):
            raise Refused(
                "Two names mean the same database: squash cannot know which name a table belongs to."
            )
        self.choices = {name: Choices() for name in old}
        while True:
            with scratch.on():
                codes = self.environment.read(self.code)
            text = self.write(codes)
            try:
                new, left = self.build(text)
            except Exception as error:  # noqa: BLE001 (whatever the operations raise)
                if self.avoided(old, codes, failed_in(text, error)):
                    continue
                return {"failed": line_of(error).rstrip(".")}
            differ = {name: old[name].differences(new[name]) for name in old}
            if not self.chose_anew(old, differ):
                break
        lines = [
            {
                "text": (f"{name}: " if old.keys() - {"default"} else "")
                + old[name].explain(new[name], *each),
                "revision": self.made_by(each),
            }
            for name in old
            for each in differ[name]
        ]
        lines += [{"text": f"not dropped by downgrade: {item}", "revision": None} for item in left]
        return {
            "text": text,
            "differs": lines,
            "counts": {name: state.counts for name, state in old.items()},
            "server": {
                name: sorted({str(old[name].items[k]) for k in c.raw if k in old[name].items})
                for name, c in self.choices.items()
            },
        }

    def build_old(self) -> None:
        """Run the old revisions.

        :raises Refused: if they do not run on an empty database
        """
        try:
            self.environment.upgrade(self.chain.last.revision)
        except Refused as error:
            line = f"{str(error).rstrip('.?')}. Name a server where one can be made: --scratch URL."
            raise Refused(line) from error
        except Exception as error:
            said = line_of(error) if isinstance(error, CommandError) else where(error)
            raise Refused(f"The revisions do not run on an empty database: {said}") from error

    def code(self, migration: MigrationContext) -> Code:
        return code_for(migration, self.choices[database_of(migration)])

    def avoided(self, old: States, codes: dict[str, Code], failed: list[str]) -> bool:
        """Write the table of a failed operation as the server says it, or those that it names, or all.

        :return: whether there was one that was not written so before
        """
        before = repr(self.choices)
        text = min(failed, key=len, default="")
        for way in ("own", "named", "all"):
            for name, state in old.items():
                own = {t for code, t in codes[name].tables.items() if normal(code) in failed}
                for key in [key for key in state.items if key[0] == "table"]:
                    is_named = re.search(rf"(?<!\w){re.escape(key[2])}(?!\w)", text)
                    if {"own": key[2] in own, "named": is_named, "all": True}[way]:
                        self.choices[name].raw.add(key)
                        self.choices[name].literal.add(key[2])
            if repr(self.choices) != before:
                return True
        return False

    def chose_anew(self, old: States, differ: dict[str, Any]) -> bool:
        """Write as the server says it what the operations did not make the same.

        :return: whether there was something that was not written so before
        """
        before = repr(self.choices)
        for name, found in differ.items():
            choices, items = self.choices[name], old[name].items
            for what, key in found:
                table = key if what != "item" else key[2]
                item = items.get(key) if what == "item" else None
                raw_table = {k for k in items if k[0] == "table" and k[2] == table}
                if what == "rows":
                    choices.literal.add(table)
                elif (
                    item is not None
                    and item.create
                    and item.key not in choices.raw
                    and (item.when in ("with", "index") or item.kind == "sequence")
                ):
                    choices.raw.add(item.key)
                elif what == "tables" or item is None or item.when in ("table", "with", "index"):
                    choices.raw |= raw_table
        return repr(self.choices) != before

    def build(self, text: str) -> tuple[States, list[str]]:
        """Return what a revision makes of empty databases, and what its downgrade leaves there."""
        scratch = self.scratches.new()
        versions = scratch.folder / "versions"
        versions.mkdir()
        (versions / SQUASHED).write_text(text, encoding="utf-8")
        alone = Alone(self.environment, versions)
        try:
            with scratch.on():
                empty = alone.read(State)
                alone.upgrade()
                new = alone.read(State)
                alone.downgrade()
                left = [
                    str(item)
                    for name, state in alone.read(State).items()
                    for key, item in state.items.items()
                    if key not in empty[name].items
                ]
        finally:
            scratch.drop()
        return new, left

    def write(self, codes: dict[str, Code]) -> str:
        """Return the text of the revision, as the project's own template has it."""
        folder = self.scratches.folder / f"written_{len(self.scratches.made)}"
        folder.mkdir(exist_ok=True)
        script = Alone(self.environment, folder).script()
        several = codes.keys() != {"default"}
        arguments: dict[str, Any] = {"databases": [*codes]} if several else {}
        for function, _, known in self.copy:
            for name, each in codes.items():
                suffix = f"_{name}" if several else ""
                if f"upgrade{suffix}" in known:
                    each.up.append(f'{function}("upgrade{suffix}")')
                if f"downgrade{suffix}" in known:
                    each.down.insert(0, f'{function}("downgrade{suffix}")')
        for name, each in codes.items():
            prefix = f"{name}_" if several else ""
            arguments[f"{prefix}upgrades"] = indented(each.up)
            arguments[f"{prefix}downgrades"] = indented(each.down)
        written: Any = script.generate_revision(
            self.chain.last.revision,
            f"what {len(self.chain.replaced)} revisions have made",
            head="base",
            branch_labels=self.chain.labels or None,
            imports="\n".join(sorted({line for each in codes.values() for line in each.imports})),
            **arguments,
        )
        text = Path(written.path).read_text(encoding="utf-8").rstrip()
        Path(written.path).unlink()
        ids = "\n".join(wrap(", ".join(f'"{id_}"' for id_ in self.chain.ids), 94))
        text += "".join(f"\n\n\n{code}" for _, code, _ in self.copy)
        text += "\n\n\n# A database at one of these has to be upgraded to this revision by the code of before.\n"
        text += (
            "replaces = (\n" + "".join(f"    {line}\n" for line in f"{ids},".splitlines()) + ")\n"
        )
        return text + (
            f'replaced_at = "{self.commit}"  # the last commit with them\n' if self.commit else ""
        )

    def made_by(self, difference: tuple[str, Any]) -> str | None:
        """Return the newest revision whose text contains the name of what differs."""
        what, key = difference
        words = re.findall(r"\w+", (key[1] if what == "item" else key).partition("(")[0])
        name = words[-1] if words else ""
        for each in self.chain.replaced:
            if name and name in Path(each.path).read_text(encoding="utf-8"):
                title = " ".join(each.doc.split())
                return f"{each.revision} ({title})" if title else each.revision
        return None


def failed_in(text: str, error: BaseException | None) -> list[str]:
    """Return the statements of a revision in which an error was raised, as Python writes them."""
    lines: set[int | None] = set()
    while error:
        frames = traceback.extract_tb(error.__traceback__)
        lines |= {each.lineno for each in frames if Path(each.filename).name == SQUASHED}
        error = error.__cause__ or error.__context__
    return [
        ast.unparse(node)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.stmt) and {*range(node.lineno, (node.end_lineno or 0) + 1)} & lines
    ]


def normal(code: str) -> str:
    """Return code as Python writes it, however it was indented."""
    return ast.unparse(ast.parse(code))


def line_of(error: Exception) -> str:
    """Return what an error says on one line, without what SQLAlchemy adds to that of a driver."""
    return " ".join(str(getattr(error, "orig", error)).split())


def indented(lines: list[str]) -> str:
    """Return code as a function's body, whose first line the template indents."""
    return "\n".join(lines).replace("\n", "\n    ").strip()
