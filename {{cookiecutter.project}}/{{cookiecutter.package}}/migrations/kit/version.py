"""The version of the kit that the folder is from."""

__version__ = "0.2.0"
