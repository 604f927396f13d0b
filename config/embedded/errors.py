class EmbeddedError(Exception):
    """The embedded servers cannot serve; the message is a sentence that says why and what to do."""
