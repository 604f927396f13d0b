class SecretError(Exception):
    """A stored secret could not be read: the encryption key is missing, or the ciphertext is not this row's."""


class WriteKeyError(ValueError):
    """The text cannot be a Segment write key; the message says why, in words for the customer."""


class SourceStateError(ValueError):
    """The source is not in a state in which this can be done; the message says what to do instead."""


class SourceNameError(ValueError):
    """The tenant has another source of this name; the message says so."""
