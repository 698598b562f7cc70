"""What ends a command before it is done."""

__all__ = ["Found", "NobodyReads", "Refusal", "Terminated"]


class Refusal(Exception):
    """The command cannot be carried out; the message is all there is to say."""


class Found(Exception):
    """The command has found what is wrong, and has said so."""


class Terminated(BaseException):
    """The process was asked to end (SIGTERM)."""


class NobodyReads(BaseException):
    """Whoever the output went to wants no more."""
