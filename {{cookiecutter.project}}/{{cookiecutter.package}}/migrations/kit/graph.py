"""The revisions as a picture that Mermaid draws: ``flask db graph``."""

from html import escape
from io import StringIO
from itertools import chain

from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError, to_tuple

from .api import alembic_config, read

PLAIN = str.maketrans({'"': "'", "#": "#35;"})  # else Mermaid reads more into them
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
    found = {each.revision: script.get_revisions(each.dependencies or ()) for each in revisions}
    needs = {name: [one.revision for one in needed if one] for name, needed in found.items()}
    shown = {*chain(*needs.values(), *places.values())}
    plain = {r for r in revisions if len(revisions) > FEW and is_plain(r, shown)}
    boxes: list[list[Script]] = []
    for each in revisions:
        last = boxes[-1][-1] if boxes else each
        if not (each in plain and last in plain and each.down_revision == last.revision):
            boxes.append([])
        boxes[-1].append(each)
    name = {each.revision: f"r{number}" for number, box in enumerate(boxes) for each in box}
    for number, box in enumerate(boxes):
        first, end = box[0], ":::head" if box[-1].is_head else ""
        lines.append(f'    r{number}["{text_of(box)}"]{end}')
        lines += [f"    {name[each]} --> r{number}" for each in to_tuple(first.down_revision, ())]
        lines += [f"    {name[each]} -. needed by .-> r{number}" for each in needs[first.revision]]
    for number, (database, heads) in enumerate(places.items()):
        lines.append(f'    db{number}[("{database}{"" if heads else ": empty"}")]')
        for place, head in enumerate(heads):
            gone = f'new{number}_{place}["{head}?"]'
            lines.append(f"    db{number} === {name.get(head, gone)}")
    return "\n".join([*lines, "    classDef head stroke-width:4px"])


def is_plain(each: Script, shown: set[str]) -> bool:
    """Say whether a revision has one before it, one after it, and nothing else to show."""
    has_more = each.dependencies or labels_of(each) or each.revision in shown
    return not has_more and len(each.nextrev) == len(to_tuple(each.down_revision, ())) == 1


def text_of(box: list[Script]) -> str:
    first, last = box[0], box[-1]
    message = " ".join((first.doc or "").split())
    texts = [first.revision, message if len(message) <= 40 else f"{message[:39]}…"]
    if first is not last:
        texts = [f"{len(box)} revisions", f"{first.revision} to {last.revision}"]
    texts += labels_of(first)
    return "<br>".join(escape(each.translate(PLAIN), quote=False) for each in texts if each)


def labels_of(revision: Script) -> list[str]:
    """Return its own labels: Alembic's have those of others in its branch, too."""
    return [*map(str, to_tuple(vars(revision.module).get("branch_labels"), ()))]
