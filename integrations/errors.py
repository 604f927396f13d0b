class SecretError(Exception):
    """A stored secret could not be read: the encryption key is missing, or the ciphertext is not this row's."""


class WriteKeyError(ValueError):
    """The text cannot be a Segment write key; the message says why, in words for the customer."""


class SourceStateError(ValueError):
    """The source is not in a state in which this can be done; the message says what to do instead."""


class EditConflictError(Exception):
    """Somebody changed meanwhile what a form showed; nothing of the form was saved."""


class SourceNameError(ValueError):
    """The tenant has another source of this name; the message says so."""


class RequestError(ValueError):
    """A request from a program cannot be taken: `status` and `code` are for that program, the message for its author.

    Segment and its libraries send a request again after 408, 410, 429, 460 and 5xx: not for what stays wrong.
    """

    def __init__(self, status: int, message: str, code: str = "refused") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class MessageError(RequestError):
    """One of the messages of a request cannot be taken; the others may."""
