"""One revision in place of many: written from what they make, and proven to make the same."""

from .task import chained, squash

__all__ = ["chained", "squash"]
