"""Writes the first .env: `python -m config.dotenv`. Never changes one that exists."""

import base64
import os
import secrets
from pathlib import Path

from config.environment import BASE_DIR

_TEXT = """\
# Written by `make setup`; docs/settings.md lists every setting. Keep it: without ENCRYPTION_KEYS no stored write key
# can be read, and everybody's has to be pasted again.
SECRET_KEY={secret_key}
ENCRYPTION_KEYS=k1:{encryption_key}
# The demo: a demo tenant, a mailbox page instead of a mail server, the stand-in for Segment. 0 for anything real.
DEMO=1
# Django's debug pages, for development only.
DEBUG=0
"""


def write_first(path: Path) -> bool:
    """Write the file, readable by us alone; False when there is one."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w") as file:
        file.write(
            _TEXT.format(
                secret_key=secrets.token_urlsafe(48),
                encryption_key=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            )
        )
    return True


if __name__ == "__main__":
    write_first(BASE_DIR / ".env")
