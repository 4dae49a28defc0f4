"""The views."""

from typing import Any

from flask import Blueprint, abort, make_response, request
from sqlalchemy import select

from .db import db
from .migrations import kit
from .models import Post, User

bp = Blueprint("views", __name__)


@bp.get("/")
def index() -> list[dict[str, Any]]:
    """List the posts."""
    posts = db.session.scalars(select(Post).order_by(Post.id)).all()
    authors = select(User).where(User.id.in_({post.author_id for post in posts}))
    names = {author.id: author.name for author in db.session.scalars(authors)}
    return [{"id": post.id, "title": post.title, "author": names[post.author_id]} for post in posts]


@bp.post("/")
def create() -> tuple[dict[str, Any], int]:
    """Store a post: ``{"title": "...", "author": "..."}``."""
    title, name = text("title", Post.title), text("author", User.name)
    author = db.session.scalar(select(User).where(User.name == name)) or User(name=name)
    db.session.add(author)
    db.session.flush()  # gives a new author an id
    post = Post(title=title, author_id=author.id)
    db.session.add(post)
    db.session.commit()
    return {"id": post.id, "title": title, "author": name}, 201


def text(key: str, column: Any) -> str:
    """Return a string of the request's JSON that fits into a column, or answer with 400."""
    data, longest = request.get_json(silent=True), column.type.length
    value = data.get(key) if isinstance(data, dict) else None
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        wanted = f"Send JSON: an object whose {key!r} is a string of 1 to {longest} characters."
        abort(make_response({"error": wanted}, 400))
    return value


@bp.get("/health")
def health() -> tuple[dict[str, Any], int]:
    """Say whether the databases can be reached, and are at the revision that this code needs."""
    states = kit.health()
    return states, 200 if all(state["ok"] for state in states.values()) else 503
