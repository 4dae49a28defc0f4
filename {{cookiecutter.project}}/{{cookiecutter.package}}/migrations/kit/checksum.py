"""Checksums of a revision: of its file, and of what it does; for the log."""

import re
from hashlib import sha256
from pathlib import Path
from typing import Any

STRING = (
    rb'"""[^\\]*?(?:\\.[^\\]*?)*?"""|"[^"\\]*(?:\\.[^"\\]*)*"|'
    rb"'''[^\\]*?(?:\\.[^\\]*?)*?'''|'[^'\\]*(?:\\.[^'\\]*)*'"
)
DOCSTRING = re.compile(rb"\A(?:\s|#[^\n]*)*(?:%b)" % STRING, re.DOTALL)
WORDS = re.compile(rb"(%b)|\s+|#[^\n]*|\\\n" % STRING, re.DOTALL)


def sums(script: Any, revision: str) -> dict[str, str]:
    path = Path(script.get_revision(revision).path)
    if path.suffix != ".py":
        return {}  # compiled: each Python does that in another way
    source = path.read_bytes()
    return {"file": sha256(source).hexdigest(), "code": meaning(source)}


def meaning(source: bytes) -> str:
    """Return a checksum that ignores whitespace, comments, kinds of quotes, last commas, the docstring."""
    source = DOCSTRING.sub(b"", source, count=1)
    code = b"".join(filter(None, WORDS.split(source)))  # strings stay, whatever is in them
    for old, new in ((b"'", b'"'), (b'"""', b'"'), (b",)", b")"), (b",]", b"]"), (b",}", b"}")):
        code = code.replace(old, new)
    return sha256(code).hexdigest()
