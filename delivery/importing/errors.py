class ImportFileError(ValueError):
    """The import cannot begin or go on; the message says why and what to do, for whoever asked."""


class MappingError(ImportFileError):
    """The mapping does not say how rows become calls."""


class RowError(ValueError):
    """One row cannot become a call. `code` is stable and made for programs, the message a sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
