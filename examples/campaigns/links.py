"""The addresses inside an email: absolute, signed, and carrying the message's id only.

Where a click leads is read from the campaign, never from the address, so no link can be bent into an open redirect.
The signature follows SECRET_KEY: changing it breaks the links of emails already sent.
"""

from urllib.parse import urlsplit

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.urls import reverse

from examples.campaigns.errors import BrokenLinkError

# ":" separates by default, and some mail programs end a link there.
_signer = Signer(sep=".", salt="examples.campaigns.message")


def token_of(message_id: int) -> str:
    return _signer.sign(str(message_id))


def message_id_of(token: str) -> int:
    """The id that `token_of` signed. Raises `BrokenLinkError` for any other text."""
    try:
        return int(_signer.unsign(token))
    except (BadSignature, ValueError) as error:
        raise BrokenLinkError("This link is broken.") from error


def absolute(path: str) -> str:
    site: str = settings.SITE_URL
    return site.rstrip("/") + path


def site_host() -> str:
    return urlsplit(settings.SITE_URL).hostname or "localhost"


def open_url(message_id: int) -> str:
    return absolute(reverse("email:open", args=[token_of(message_id)]))


def click_url(message_id: int) -> str:
    return absolute(reverse("email:click", args=[token_of(message_id)]))


def unsubscribe_url(message_id: int) -> str:
    return absolute(reverse("email:unsubscribe", args=[token_of(message_id)]))
