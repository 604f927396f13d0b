"""Which rows of the fault list have no drill, or not a whole one, and why. Printed by `make drill`."""

from typing import Final

ROWS: Final = 43

ROWS_WITHOUT: Final = {
    5: "no drill yet: the rule of three crashes came last and no worker was crashed against it",
    22: "not whole: nothing is asserted of the alarm for a missing beat",
    25: "not whole: the erasure of payloads after a deletion is not drilled",
    29: "no drill: `make bench` measures it, with a million events",
    31: "no drill with real processes yet: tests/delivery/test_limiter.py has the local share",
    38: "not whole: a product's write commits without its events when not even their refusals find room",
    40: "no drill yet: a hanging region with 2,000 lanes has not been tried with real processes",
    43: "no drill: there are no partitions and no retention yet",
}
