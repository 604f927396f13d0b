"""The secrets of two-factor sign-in, encrypted like the write keys.

allauth asks to encrypt a text without saying for whom, so the ciphertext is bound to the table and not to the row.
"""

import base64
from typing import Final

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import transaction

from integrations import secrets

PLACE: Final = {"table": "mfa_authenticator", "row": "any", "field": "data"}
FIELDS: Final = ("secret", "seed")
"""Where allauth keeps the secret of an authenticator app and the seed of the recovery codes."""


class SecondFactorAdapter(DefaultMFAAdapter):
    def encrypt(self, text: str) -> str:
        return base64.b64encode(secrets.encrypt(text, **PLACE)).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return secrets.decrypt(base64.b64decode(encrypted_text), **PLACE)

    def get_totp_issuer(self) -> str:
        return str(settings.PRODUCT_NAME)


@transaction.atomic
def reencrypt(authenticator_id: int, *, dry_run: bool) -> bool:
    """Whether the secrets of this authenticator are under an older key; they are put under the newest.

    Raises SecretError when they cannot be read.
    """
    row = Authenticator.objects.select_for_update().filter(pk=authenticator_id).first()
    data = row.data if row is not None else {}
    old = [name for name in FIELDS if name in data and not _is_current(data[name])]
    adapter = SecondFactorAdapter()
    for name in old:
        data[name] = adapter.encrypt(adapter.decrypt(data[name]))
    if row is not None and old and not dry_run:
        row.save(update_fields=["data"])
    return bool(old)


def _is_current(text: str) -> bool:
    return secrets.key_id_of(base64.b64decode(text)) == secrets.key_ring().newest_id
