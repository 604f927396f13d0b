class RequestRefusedError(Exception):
    """The request as a whole is refused, and nothing of it is kept.

    `status` and `code` are for programs, the message is a sentence for whoever wrote the client. Never one of the
    statuses that Segment's libraries try again (408, 410, 429, 460, 5xx): the same request would be refused again.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
