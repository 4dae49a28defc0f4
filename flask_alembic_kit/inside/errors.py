"""The error that is one line for the user."""


class Refused(Exception):
    """Says what is wrong, and what to do."""
