"""allauth's mails: links of the site's own address, our words around them, and no page that fails because of them."""

import logging
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context as current
from django.conf import settings
from django.contrib import messages

from tenants.mails import NOT_TAKEN

NOT_SENT: Final = (
    "A mail to you could not be sent: the mail server did not take it. If you need its link, ask for it again in a few "
    "minutes."
)

log = logging.getLogger(__name__)


class AccountAdapter(DefaultAccountAdapter):
    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """What a mail tells of, or asks to confirm, is stored by then: its page goes on when it cannot be sent."""
        links = {name: own_address(url) for name, url in context.items() if name.endswith("_url")}
        ours = {"site": settings.SITE_URL, "product": settings.PRODUCT_NAME}
        try:
            super().send_mail(template_prefix, email, context | links | ours)
        except NOT_TAKEN as error:
            log.warning("The mail %s was not sent: %s.", template_prefix, type(error).__name__)
            if current.request is not None:
                messages.warning(current.request, NOT_SENT)


def own_address(url: str) -> str:
    """The link under SITE_URL. allauth takes the host that a request names: a proxy may name an inner one."""
    return urljoin(settings.SITE_URL, urlsplit(url)._replace(scheme="", netloc="").geturl())
