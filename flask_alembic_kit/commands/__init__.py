"""The commands: a file a command, each with the click command ``command``."""
