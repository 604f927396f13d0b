"""Whether the web in this container is ready: exit code 0 or 1, and on failure what /readyz said."""

import http.client
import os
import sys
from urllib.parse import urlsplit

connection = http.client.HTTPConnection("127.0.0.1", 8000, timeout=4)
try:
    # The name that people use: other hosts may not be allowed.
    connection.request(
        "GET", "/readyz", headers={"Host": urlsplit(os.environ.get("SITE_URL", "")).netloc or "localhost"}
    )
    answer = connection.getresponse()
    text = answer.read().decode(errors="replace")
except OSError as error:
    sys.exit(f"The web does not answer: {error}")
sys.exit(0 if answer.status == http.HTTPStatus.OK else f"{answer.status}: {text}")
