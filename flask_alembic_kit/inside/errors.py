"""The error that is one line for the user."""


class Refused(Exception):
    """Says what is wrong, and what to do.

    :param option: of the command, by which the user says what was not found
    """

    def __init__(self, message: str, option: str | None = None) -> None:
        super().__init__(message)
        self.option = option
