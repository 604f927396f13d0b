"""Which rows of the fault list have no drill, or not a whole one, and why. Printed by `make drill`."""

from typing import Final

ROWS: Final = 43

ROWS_WITHOUT: Final[dict[int, str]] = {}
