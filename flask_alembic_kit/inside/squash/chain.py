"""Finds the revisions that one revision will replace."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError, to_tuple

from ..errors import Refused


@dataclass
class Chain:
    """The revisions up to one revision, which will replace them.

    :param replaced: with it, the newest first
    """

    last: Script
    replaced: list[Script]

    @property
    def ids(self) -> list[str]:
        """The revisions of a database that has not reached the last one."""
        older = [each.revision for each in self.replaced if each is not self.last]
        return older + [
            id_ for each in self.replaced for id_ in getattr(each.module, "replaces", ())
        ]

    @property
    def labels(self) -> list[str]:
        named = [
            to_tuple(getattr(each.module, "branch_labels", None), ()) for each in self.replaced
        ]
        return sorted({label for labels in named for label in labels})

    @property
    def files(self) -> list[Path]:
        return [Path(each.path).resolve() for each in self.replaced]


def chain(script: ScriptDirectory, name: str | None, root: Path) -> Chain:
    """Return the revisions up to one.

    :param name: as Alembic takes it; None for the only head
    :raises Refused: if one revision cannot take their place
    """
    every = {each.revision: each for each in script.walk_revisions()}
    last = found(script, name)
    replaced = {last.revision: last}
    below = [last]
    while below:
        parents = [every[id_] for id_ in to_tuple(below.pop().down_revision, ())]
        below += [each for each in parents if each.revision not in replaced]
        replaced |= {each.revision: each for each in parents}
    for each in every.values():
        refuse_branches(
            each, {*to_tuple(each.down_revision, ())}, depended_on(script, each), replaced, last
        )
    if len(replaced) == 1:
        raise Refused(f"There is no revision before {last.revision}: there is nothing to squash.")
    result = Chain(last, [each for each in every.values() if each.revision in replaced])
    for file in result.files:
        if file.suffix != ".py" or not file.is_relative_to(root) or "site-packages" in file.parts:
            raise Refused(f"{file} is no source of this project: squash cannot replace it.")
    return result


def found(script: ScriptDirectory, name: str | None) -> Script:
    """Return the revision with a name, or the only head.

    :raises Refused: if there is none, or more than one
    """
    heads = script.get_heads()
    if name == "":
        raise Refused("REV is empty: name the revision to squash up to.")
    if name is None and len(heads) != 1:
        raise Refused(
            f"There are {len(heads)} heads, {' and '.join(sorted(heads))}: merge them, or name the "
            "revision to squash up to."
            if heads
            else "There is no revision yet."
        )
    try:
        revisions = script.get_revisions(name or heads[0])
    except CommandError as error:
        raise Refused(str(error)) from error
    if len(revisions) != 1 or revisions[0] is None:
        raise Refused(f"{name} is not one revision: name the one to squash up to.")
    return revisions[0]


def depended_on(script: ScriptDirectory, revision: Script) -> set[str]:
    """Return the ids of ``depends_on``, which may be a string or several."""
    found = (script.get_revision(name) for name in to_tuple(revision.dependencies, ()))
    return {each.revision for each in found if each is not None}


def refuse_branches(
    each: Script, down: set[str], needed: set[str], replaced: dict[str, Any], last: Script
) -> None:
    """Refuse a revision that needs one that would be gone, or the other way round."""
    if each.revision in replaced:
        if needed - {*replaced}:
            raise Refused(
                f"Revision {each.revision} depends on {', '.join(needed - {*replaced})} of another "
                "branch, which would not be squashed with it: squash up to a revision before it."
            )
    elif gone := (down | needed) & {*replaced} - {last.revision}:
        raise Refused(
            f"Revision {each.revision} stands on {', '.join(gone)}, which would be gone: merge its "
            f"branch into {last.revision} first, or squash up to an earlier revision."
        )
