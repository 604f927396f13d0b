"""Reads settings from the environment. A missing or bad one stops the program with one line, and exit code 1.

No message holds a value: many of them are secrets, and which are is not for a message to decide.
"""

import ipaddress
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar
from urllib.parse import SplitResult, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR: Final = Path(__file__).resolve().parent.parent

env: Final = environ.Env()

SLUG: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
IDENTIFIER: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
SEMVER: Final = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")
"""https://semver.org, the parts that matter here."""

EMAIL: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
"""What a browser takes in a field for email addresses; anything else would not do in a mailto link."""

PRODUCT_NAME: Final = re.compile(r"[^\W_][\w &+.'-]{0,59}")
"""Goes into titles and sentences of Markdown: letters, digits and what stands in names."""

EXAMPLE_SUPPORT: Final = "support@headwater.example"
"""Good enough for the demo, and for nobody's customers: `manage.py review` says so elsewhere."""

SENTENCE: Final = re.compile(r"[^\n\r<>]{20,300}")

TOKEN: Final = re.compile(r"([!-~]{16,})?")

WEBHOOK_SECRET: Final = re.compile(r"[!-9;-~]+:[!-~]{16,}")

LOG_FORMATS: Final = re.compile(r"json|plain")

SECRET_KEY_LENGTH: Final = 32

T = TypeVar("T")


def stop(name: str, problem: str) -> NoReturn:
    """End the program: SystemExit with a text prints it on standard error and exits with 1, wherever it is raised."""
    raise SystemExit(f"{name} {problem} docs/settings.md lists every setting.")


def read_env_file() -> None:
    """Fill what the environment leaves open from the file .env (HEADWATER_ENV_FILE names another, empty names none)."""
    name = os.environ.get("HEADWATER_ENV_FILE", str(BASE_DIR / ".env"))
    if not name or not Path(name).exists():
        return
    if not os.access(name, os.R_OK):
        raise SystemExit(
            f"{name} cannot be read: it belongs to somebody else. Give it to yourself (chown) or remove it."
        )
    env.read_env(name)


def text(name: str, default: str = "") -> str:
    """The value without spaces around it; an empty one counts as none."""
    return os.environ.get(name, "").strip() or default


def required(name: str, why: str) -> str:
    value = text(name)
    if not value:
        stop(name, f"is not set: {why}")
    return value


def checked(name: str, read: Callable[[], T], problem: str) -> T:
    """What `read` gives; its failure is the problem of this setting."""
    try:
        return read()
    except (ValueError, KeyError, ImproperlyConfigured):
        stop(name, problem)


def flag(name: str, *, default: bool = False) -> bool:
    value = text(name).lower()
    if value and value not in {"1", "true", "yes", "on", "0", "false", "no", "off"}:
        stop(name, "is neither yes nor no: use 1 or 0.")
    return value in {"1", "true", "yes", "on"} if value else default


def number(name: str, *, default: int, at_least: int, at_most: int) -> int:
    value = checked(name, lambda: int(text(name, str(default))), "is not a whole number.")
    if not at_least <= value <= at_most:
        stop(name, f"is out of range: it goes from {at_least} to {at_most}.")
    return value


def matching(name: str, pattern: re.Pattern[str], description: str, *, default: str) -> str:
    value = text(name, default)
    if not pattern.fullmatch(value):
        stop(name, f"is not {description}.")
    return value


def web_address(name: str, *, default: str, secure: bool = False) -> str:
    """A http(s) address without a slash at the end; `secure` asks for https, except on this machine."""
    value = text(name, default)
    parts = checked(name, lambda: _split(value), "is not an address such as https://example.com.")
    if parts.username or parts.query or parts.fragment:
        stop(name, "has more than an address: leave out user, query and fragment.")
    if secure and parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        stop(name, "is not https: a write key would travel in the clear (http is allowed on this machine only).")
    return value.rstrip("/")


def _split(value: str) -> SplitResult:
    parts = urlsplit(value)
    # Reading the port checks it.
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
        raise ValueError(value)
    return parts


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def secret_key() -> str:
    value = required("SECRET_KEY", "it signs sessions and links. `make setup` writes one into .env.")
    if len(value) < SECRET_KEY_LENGTH:
        stop(
            "SECRET_KEY",
            f"is shorter than {SECRET_KEY_LENGTH} characters: use a long random one, as `make setup` does.",
        )
    return value


def encryption_keys() -> list[str]:
    from integrations.keyring import parse_key_ring

    required("ENCRYPTION_KEYS", "it encrypts write keys. `make setup` writes one into .env.")
    keys: list[str] = env.list("ENCRYPTION_KEYS")
    try:
        parse_key_ring(keys)
    except ValueError as error:
        # This message names entries by their position only.
        raise SystemExit(f"{error} docs/settings.md lists every setting.") from None
    return keys


def spec_category(name: str, *, default: str) -> str:
    """The key of a category of the Spec, by any spelling of it; empty for `none`."""
    from integrations.spec.catalogue import catalogue, category_named

    value = text(name, default)
    known = ", ".join(sorted(catalogue().categories))
    return checked(
        name, lambda: "" if value == "none" else category_named(value), f"is no category of the Spec: {known}, or none."
    )


def address_of_email(name: str, *, default: str) -> str:
    value = text(name, default)
    if not EMAIL.fullmatch(value):
        stop(name, "is not an email address such as support@example.com.")
    return value


def database() -> dict[str, Any]:
    problem = "is not a PostgreSQL address such as postgres://user:password@host:5432/name."
    url = required("DATABASE_URL", "name a PostgreSQL, or start with `make run` or manage.py, which bring one.")
    if not url.startswith(("postgres://", "postgresql://")):
        stop("DATABASE_URL", problem)
    found: dict[str, Any] = checked("DATABASE_URL", lambda: env.db_url_config(url), problem)
    if not found["NAME"]:
        stop("DATABASE_URL", "names no database after the last slash.")
    return found


def redis_url() -> str:
    problem = "is not a Redis or Valkey address such as redis://:password@host:6379/0."
    url = required("REDIS_URL", "name a Redis or Valkey, or start with `make run` or manage.py, which bring one.")
    parts = checked("REDIS_URL", lambda: urlsplit(url), problem)
    host = checked("REDIS_URL", lambda: parts.hostname if parts.port != 0 else None, problem)
    if parts.scheme not in {"redis", "rediss"} or not host:
        stop("REDIS_URL", problem)
    return url


def email_provider(backend: str) -> dict[str, str]:
    """django-anymail's settings: each ANYMAIL_X of the environment is its X."""
    prefix = "ANYMAIL_"
    found = {name.removeprefix(prefix): text(name) for name in os.environ if name.startswith(prefix) and text(name)}
    secret = found.get("WEBHOOK_SECRET", "")
    if backend.startswith("anymail.") and not secret:
        stop("ANYMAIL_WEBHOOK_SECRET", "is not set: without it anybody could tell what became of your emails.")
    if secret and not WEBHOOK_SECRET.fullmatch(secret):
        stop("ANYMAIL_WEBHOOK_SECRET", "is not user:password with a password of 16 characters or more, no spaces.")
    return found


def email(*, demo: bool, debug: bool) -> dict[str, Any]:
    """The EMAIL_* settings: what EMAIL_URL says, else the demo's mailbox, or a mail server on a developer's machine."""
    if not (demo or debug or text("EMAIL_BACKEND")):
        required("EMAIL_URL", "people set passwords by mail. Name a mail server, or an EMAIL_BACKEND that needs none.")
    problem = "is not a mail server such as smtp+tls://user:password@host:587."
    default = "smtp://localhost:25"
    found: dict[str, Any] = checked("EMAIL_URL", lambda: env.email_url_config(text("EMAIL_URL", default)), problem)
    if demo and not text("EMAIL_URL"):
        found["EMAIL_BACKEND"] = "examples.campaigns.mailbox.MailboxBackend"
    if text("EMAIL_BACKEND"):
        found["EMAIL_BACKEND"] = text("EMAIL_BACKEND")
    return found
