"""What SQLite says: the statements that it has kept."""

import re
from collections.abc import Iterator
from typing import Any

from . import Item, ask

WHEN = {"table": "table", "index": "index"}
ORDER = ("table", "index", "view", "trigger")
TOKEN = r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]|\w+|--[^\n]*|[^\s\w]"""


def items(connection: Any, own: set[str]) -> Iterator[Item]:
    found = ask(
        connection,
        "SELECT type, name, tbl_name, sql FROM sqlite_master"
        " WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid",
    ).all()
    for kind, name, table, sql in sorted(found, key=lambda row: ORDER.index(row[0])):
        yield Item(
            kind,
            name,
            create=sql,
            drop=f"DROP {kind.upper()} {quoted(name)}" if kind in ("view", "trigger") else "",
            table=None if kind == "view" else table,
            when=WHEN.get(kind, "after"),
            text=canonical(sql) if kind == "table" else " ".join(tokens(sql)),
        )
        if kind == "table":
            columns = ask(connection, f"PRAGMA table_xinfo({quoted(name)})").all()
            yield Item(
                "columns", name, table=name, when="table", text=repr([c[1] for c in columns])
            )
    for pragma in ("user_version", "application_id"):
        if value := ask(connection, f"PRAGMA {pragma}").scalar():
            yield Item("pragma", pragma, f"PRAGMA {pragma} = {value}", f"PRAGMA {pragma} = 0")
    for pragma in (
        "auto_vacuum",
        "encoding",
        "journal_mode",
        "page_size",
    ):  # none runs in a transaction
        yield Item("pragma", pragma, text=str(ask(connection, f"PRAGMA {pragma}").scalar()))
    if ask(connection, "SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'").scalar():
        for name, value in ask(connection, "SELECT name, seq FROM sqlite_sequence"):
            if name not in own:
                literal = "'" + name.replace("'", "''") + "'"
                clear = f"DELETE FROM sqlite_sequence WHERE name = {literal}"
                yield Item("number", name, clear, table=name)
                insert = f"INSERT INTO sqlite_sequence (name, seq) VALUES ({literal}, {value})"
                yield Item("next number", name, insert, table=name)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def tokens(sql: str) -> list[str]:
    """Return the words of a statement, however they are quoted."""
    found = []
    for token in re.findall(TOKEN, sql):
        if token[0] in '"`[':
            found.append(token[1:-1].lower())
        elif not token.startswith("--"):
            found.append(token if token[0] == "'" else token.lower())
    return found


def canonical(sql: str) -> str:
    """Return a CREATE TABLE with its columns and constraints sorted: their order is said apart."""
    parts: list[list[str]] = [[]]
    depth = 0
    for token in tokens(sql):
        depth += (token == "(") - (token == ")")
        if (token in ",(" and depth == 1) or (token == ")" and not depth):
            parts.append([])
        else:
            parts[-1].append(token)
    head, *body, tail = [" ".join(part) for part in parts]
    text = "\n".join([head, *sorted(body), tail])
    return re.sub(r"default \( (\w+) \)", r"default \1", text)
