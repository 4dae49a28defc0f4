"""The revisions as a picture that Mermaid draws: ``flask db graph``."""

from html import escape
from io import StringIO

from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError, to_tuple

from .api import alembic_config, read

FEW = 40  # revisions: of more than that, those in a line between two others are drawn as one


def graph(config: Config | None = None) -> str:
    """Return a flowchart of the revisions, and of where each database is."""
    config = config or alembic_config(stdout=StringIO())
    script = ScriptDirectory.from_config(config)
    revisions = [*script.walk_revisions()][::-1]
    lines, places = ["flowchart TB"], {}
    try:
        places = read(lambda migration: migration.get_current_heads(), config)
    except CommandError as error:
        lines.append(f"    %% {error}")
    found = {each: script.get_revisions(to_tuple(each.dependencies, ())) for each in revisions}
    needs = {one.revision: tuple(n.revision for n in needed if n) for one, needed in found.items()}
    special = {*sum(needs.values(), ()), *sum(places.values(), ())}
    nodes: dict[str, list[Script]] = {}
    node_of: dict[str, str] = {}
    before: Script | None = None
    for each in revisions:
        parents, name = to_tuple(each.down_revision, ()), each.revision
        # What only leads on, after the same: nothing else has to be seen of it.
        is_plain = len(parents) == len(each.nextrev) == 1 and not needs[name]
        is_plain &= name not in special and not vars(each.module).get("branch_labels")
        follows = is_plain and before is not None and parents == (before.revision,)
        node = node_of[parents[0]] if follows and len(revisions) > FEW else f"r{len(nodes)}"
        node_of[name] = node
        nodes.setdefault(node, []).append(each)
        before = each if is_plain else None
    for node, line in nodes.items():
        first, last = line[0], line[-1]
        message = " ".join((first.doc or "").split())
        texts = [first.revision, message if len(message) <= 40 else f"{message[:39]}…"]
        if first is not last:
            texts = [f"{len(line)} revisions", f"{first.revision} to {last.revision}"]
        texts += map(str, to_tuple(vars(first.module).get("branch_labels"), ()))
        text = "<br>".join(escape(each.replace('"', "'"), quote=False) for each in texts if each)
        lines.append(f'    {node}["{text}"]' + (":::head" if last.is_head else ""))
        lines += [f"    {node_of[each]} --> {node}" for each in to_tuple(first.down_revision, ())]
        lines += [f"    {node_of[each]} -. needed by .-> {node}" for each in needs[first.revision]]
    for number, (name, heads) in enumerate(places.items()):
        lines.append(f'    db{number}[("{name}{"" if heads else ": empty"}")]')
        at = (node_of.get(each, f"new{number}[{each}?]") for each in heads)
        lines += [f"    db{number} === {each}" for each in at]
    return "\n".join([*lines, "    classDef head stroke-width:4px"])
