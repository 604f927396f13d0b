"""What the product's menus and buttons are called, for the documents. The tests compare them with the real pages."""

from dataclasses import dataclass
from typing import Final

from integrations.forms import ConnectForm


@dataclass(frozen=True, slots=True)
class Place:
    """A link or button of the product by its words, and the page that it leads to."""

    label: str
    url_name: str


WAY: Final = (
    Place("Integrations", "integrations:index"),
    Place("Set up Segment", "integrations:segment"),
    Place("Connect a source", "integrations:connect"),
)
"""From the menu to the form that takes a write key: each is on the page of the one before."""

REPLACE_KEY: Final = Place("Replace key", "integrations:replace_key")
CHANGE_REGION: Final = Place("Change region", "integrations:change_region")
RESUME: Final = Place("Resume", "integrations:resume")
EVENTS_AS_THEY_COME: Final = Place("Events as they come", "delivery:delivery")
"""On the page of a source, as the three above."""

NOT_SHOWING: Final = Place("It does not show up", "integrations:not_showing")
SEND_TEST_BUTTON: Final = "Send a test event"
CONFIRM_BUTTON: Final = "Confirm"
"""On the page that follows the form, `integrations:check`."""

CONNECT_BUTTON: Final = "Connect"
REFUSED: Final = "Refused"
"""A tab on the page behind `EVENTS_AS_THEY_COME`."""


def field_label(name: str) -> str:
    return str(ConnectForm.base_fields[name].label or name.capitalize())


def way() -> str:
    """The menus as the documents write them: **Integrations** > **Set up Segment** > **Connect a source**."""
    return " > ".join(f"**{place.label}**" for place in WAY)
