"""Collect the static files while the image is built: `python docker/collect_static.py PYTHON`.

The settings want secrets and servers, and there are none yet: these are made up, used by nothing, and kept nowhere.
"""

import base64
import os
import secrets
import subprocess
import sys

made_up = {
    "SECRET_KEY": secrets.token_urlsafe(48),
    "ENCRYPTION_KEYS": f"build:{base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()}",
    "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "EMAIL_URL": "smtp://127.0.0.1:1",
    "STATIC_COLLECTED": "1",
    "HEADWATER_ENV_FILE": "",
}
collect = [sys.argv[1], "manage.py", "collectstatic", "--no-input", "--verbosity", "0"]
sys.exit(subprocess.run(collect, env={**os.environ, **made_up}, check=False).returncode)
