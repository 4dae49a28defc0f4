"""The views."""

from typing import Any

from flask import Blueprint, request
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from .db import db
from .migrations import kit
from .models import Post, User

bp = Blueprint("views", __name__)


@bp.get("/")
def index() -> list[dict[str, Any]]:
    """List the posts."""
    posts = db.session.scalars(select(Post).options(joinedload(Post.author)).order_by(Post.id))
    return [{"id": post.id, "title": post.title, "author": post.author.name} for post in posts]


@bp.post("/")
def create() -> tuple[dict[str, Any], int]:
    """Store a post: ``{"title": "...", "author": "..."}``."""
    title, name = str(request.json["title"]), str(request.json["author"])
    author = db.session.scalar(select(User).where(User.name == name)) or User(name=name)
    post = Post(title=title, author=author)
    db.session.add(post)
    db.session.commit()
    return {"id": post.id, "title": title, "author": name}, 201


@bp.get("/health")
def health() -> tuple[dict[str, Any], int]:
    """Say whether the databases can be reached, and are at the revision that this code needs."""
    states = kit.health()
    return states, 200 if all(state["ok"] for state in states.values()) else 503
