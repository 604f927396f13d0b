import os
import runpy

import pytest

from tests.config.conftest import ROOT, environment_of, run

SENTINEL = "sentinel-value-nobody-may-see"

SENTENCE = (
    "DATABASE_URL is not a PostgreSQL address such as postgres://user:password@host:5432/name. "
    "docs/settings.md lists every setting."
)

BAD = [
    ("SECRET_KEY", "", "SECRET_KEY is not set"),
    ("SECRET_KEY", "short", "SECRET_KEY is shorter than 32 characters"),
    ("ENCRYPTION_KEYS", "", "ENCRYPTION_KEYS is not set"),
    ("ENCRYPTION_KEYS", f"k1:{SENTINEL}", "ENCRYPTION_KEYS: entry 1 is malformed"),
    ("DATABASE_URL", "", "DATABASE_URL is not set"),
    ("DATABASE_URL", f"mysql://app:{SENTINEL}@localhost/app", "DATABASE_URL is not a PostgreSQL address"),
    ("DATABASE_URL", f"postgres://app:{SENTINEL}@localhost:port/app", "DATABASE_URL is not a PostgreSQL address"),
    ("DATABASE_URL", f"postgres://app:{SENTINEL}@localhost", "DATABASE_URL names no database"),
    ("REDIS_URL", "", "REDIS_URL is not set"),
    ("REDIS_URL", f"amqp://:{SENTINEL}@localhost", "REDIS_URL is not a Redis or Valkey address"),
    ("REDIS_URL", f"redis://:{SENTINEL}@localhost:99999", "REDIS_URL is not a Redis or Valkey address"),
    ("SEGMENT_US_URL", "http://api.segment.example/v1", "SEGMENT_US_URL is not https"),
    ("SEGMENT_EU_URL", f"https://{SENTINEL}:x@events.example/v1", "SEGMENT_EU_URL has more than an address"),
    ("SEGMENT_EU_URL", "https://[events", "SEGMENT_EU_URL is not an address"),
    ("SITE_URL", "example.com", "SITE_URL is not an address"),
    ("INTEGRATION_SLUG", "Head_Water", "INTEGRATION_SLUG is not a slug"),
    ("INTEGRATION_VERSION", "1.0", "INTEGRATION_VERSION is not a semantic version"),
    ("INTEGRATION_TOOL_ID_FIELD", "your tool", "INTEGRATION_TOOL_ID_FIELD is not a name"),
    ("INTEGRATION_CATEGORY", "carrier pigeons", "INTEGRATION_CATEGORY is no category of the Spec"),
    ("PRODUCT_NAME", "<script>", "PRODUCT_NAME is not a name"),
    ("PRODUCT_URL", "example.com", "PRODUCT_URL is not an address"),
    ("SUPPORT_EMAIL", "support at example.com", "SUPPORT_EMAIL is not an email address"),
    ("PORT", "http", "PORT is not a whole number"),
    ("PORT", "65536", "PORT is out of range"),
    ("DEBUG", "perhaps", "DEBUG is neither yes nor no"),
    ("ANYMAIL_WEBHOOK_SECRET", SENTINEL, "ANYMAIL_WEBHOOK_SECRET is not user:password"),
    ("EMAIL_BACKEND", "anymail.backends.postmark.EmailBackend", "ANYMAIL_WEBHOOK_SECRET is not set"),
    ("EMAIL_URL", "", "EMAIL_URL is not set: people set passwords by mail."),
    ("EMAIL_URL", f"pigeon://user:{SENTINEL}@loft", "EMAIL_URL is not a mail server"),
]


@pytest.fixture
def settings_from(monkeypatch):
    """The settings module read anew, with these variables."""

    def read(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return runpy.run_path(str(ROOT / "config" / "settings.py"))

    return read


@pytest.mark.parametrize(("name", "value", "sentence"), BAD)
def test_bad_setting_ends_the_program_with_one_line_without_its_value(settings_from, name, value, sentence):
    with pytest.raises(SystemExit) as stopped:
        settings_from(**{name: value})
    message = str(stopped.value.code)
    assert message.startswith(sentence)
    assert message.count("\n") == 0
    assert SENTINEL not in message


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("EVENT_PARTITION_IDS", 10_000, 1_000_000_000),
        ("EVENT_RETENTION_DAYS", 2, 3_650),
        ("BATCH_RETENTION_DAYS", 30, 3_650),
        ("REFUSAL_RETENTION_DAYS", 1, 3_650),
        ("RETENTION_WARNING_DAYS", 1, 15),
    ],
)
def test_numbers_of_the_log_have_bounds(settings_from, name, least, most):
    assert [settings_from(**{name: str(value)})[name] for value in (least, most)] == [least, most]
    for value in (least - 1, most + 1):
        with pytest.raises(SystemExit) as stopped:
            settings_from(**{name: str(value)})
        assert str(stopped.value.code).startswith(f"{name} is out of range: it goes from {least} to {most}.")


def test_batches_are_kept_as_long_as_events_and_warnings_fit_into_the_retention(settings_from):
    settings = settings_from(EVENT_RETENTION_DAYS="365")
    assert (settings["BATCH_RETENTION_DAYS"], settings["RETENTION_WARNING_DAYS"]) == (365, 3)
    settings = settings_from(EVENT_RETENTION_DAYS="2")
    assert (settings["BATCH_RETENTION_DAYS"], settings["RETENTION_WARNING_DAYS"]) == (90, 1)


@pytest.mark.parametrize(("value", "category"), [("", "email"), ("Live Chat", "live-chat"), ("none", "")])
def test_category_is_taken_in_any_spelling_or_none(settings_from, value, category):
    assert settings_from(INTEGRATION_CATEGORY=value)["INTEGRATION_CATEGORY"] == category


@pytest.mark.parametrize(
    "program",
    [
        ["manage.py", "migrate"],
        ["-m", "gunicorn", "config.wsgi"],
        ["-m", "celery", "-A", "config.celery", "worker"],
        ["-m", "celery", "-A", "config.celery", "beat"],
    ],
    ids=["manage.py", "gunicorn", "worker", "beat"],
)
def test_every_program_ends_with_the_line_and_exit_code_1(tmp_path, program):
    nowhere = {"DATABASE_URL": f"mysql://app:{SENTINEL}@localhost/app", "REDIS_URL": "redis://127.0.0.1:1/0"}
    done = run(*program, env=environment_of(tmp_path) | nowhere)
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if "Starting gunicorn" not in line]
    assert lines == [SENTENCE]
    assert SENTINEL not in done.stdout


def test_segment_addresses_lose_a_slash_at_the_end_and_may_be_http_on_this_machine(settings_from):
    settings = settings_from(SEGMENT_US_URL="https://proxy.example/v1/", SEGMENT_EU_URL="http://127.0.0.1:9000/eu/v1")
    assert settings["SEGMENT_URLS"] == {"us": "https://proxy.example/v1", "eu": "http://127.0.0.1:9000/eu/v1"}


def test_segment_addresses_are_the_real_ones_by_default(settings_from):
    assert settings_from()["SEGMENT_URLS"] == {
        "us": "https://api.segment.io/v1",
        "eu": "https://events.eu1.segmentapis.com/v1",
    }


def test_empty_setting_counts_as_not_set(settings_from):
    settings = settings_from(PORT="", SITE_URL=" ", INTEGRATION_VERSION="")
    assert (settings["PORT"], settings["SITE_URL"], settings["INTEGRATION_VERSION"]) == (
        0,
        "http://127.0.0.1:8000",
        "1.0.0",
    )


@pytest.mark.parametrize("empty", ["", " "])
def test_empty_list_counts_as_not_set_too(settings_from, empty):
    settings = settings_from(SITE_URL="https://app.example", ALLOWED_HOSTS=empty, CSRF_TRUSTED_ORIGINS=empty)
    assert settings["ALLOWED_HOSTS"] == ["localhost", "127.0.0.1", "[::1]", "app.example"]
    assert settings["CSRF_TRUSTED_ORIGINS"] == ["https://app.example"]


def test_lists_are_read_with_commas_between(settings_from):
    settings = settings_from(ALLOWED_HOSTS="a.example,b.example", CSRF_TRUSTED_ORIGINS="https://a.example")
    assert settings["ALLOWED_HOSTS"] == ["a.example", "b.example"]
    assert settings["CSRF_TRUSTED_ORIGINS"] == ["https://a.example"]


def test_https_site_gets_secure_cookies_and_an_http_one_does_not(settings_from):
    secure = settings_from(SITE_URL="https://app.example.com/")
    assert secure["SITE_URL"] == "https://app.example.com"
    assert secure["SESSION_COOKIE_SECURE"] is secure["CSRF_COOKIE_SECURE"] is secure["SECURE_SSL_REDIRECT"] is True
    assert "app.example.com" in settings_from(SITE_URL="https://app.example.com")["CSRF_TRUSTED_ORIGINS"][0]
    assert "SECURE_SSL_REDIRECT" not in settings_from(SITE_URL="http://127.0.0.1:8000")


def test_demo_keeps_its_mail_unless_a_mail_server_is_named(settings_from):
    assert settings_from(DEMO="1", EMAIL_URL="")["EMAIL_BACKEND"] == "examples.campaigns.mailbox.MailboxBackend"
    named = settings_from(DEMO="1", EMAIL_URL="smtp+tls://user:pass@mail.example:587")
    assert named["EMAIL_BACKEND"] == "django.core.mail.backends.smtp.EmailBackend"
    assert (named["EMAIL_HOST"], named["EMAIL_PORT"], named["EMAIL_USE_TLS"]) == ("mail.example", 587, True)


def test_mail_server_may_be_left_out_by_a_developer_and_with_another_backend(settings_from):
    other = "django.core.mail.backends.dummy.EmailBackend"
    assert settings_from(DEBUG="1", EMAIL_URL="")["EMAIL_HOST"] == "localhost"
    assert settings_from(DEBUG="0", EMAIL_URL="", EMAIL_BACKEND=other)["EMAIL_BACKEND"] == other


def test_settings_of_anymail_come_from_the_environment(settings_from):
    settings = settings_from(
        ANYMAIL_MAILGUN_API_KEY="k", ANYMAIL_WEBHOOK_SECRET="hook:sixteen-characters", ANYMAIL_EMPTY=""
    )

    assert settings["ANYMAIL"] == {"MAILGUN_API_KEY": "k", "WEBHOOK_SECRET": "hook:sixteen-characters"}


@pytest.mark.parametrize(("secret", "code"), [("", 1), ("hook:sixteen-characters", 0)])
def test_webhooks_of_providers_are_mounted_with_their_secret_only(secret, code):
    show = "from django.urls import resolve; resolve('/webhooks/email/postmark/tracking/')"
    done = run("manage.py", "shell", "-c", show, env={**os.environ, "ANYMAIL_WEBHOOK_SECRET": secret})

    assert (done.returncode, "Resolver404" in done.stderr) == (code, code == 1)


def test_env_file_fills_what_the_environment_leaves_open(settings_from, tmp_path, monkeypatch):
    file = tmp_path / "env"
    file.write_text("INTEGRATION_SLUG=from-the-file\nINTEGRATION_VERSION=2.0.0\n")
    # Set and deleted, so that what the file puts into the environment goes again after the test.
    monkeypatch.setenv("INTEGRATION_SLUG", "")
    monkeypatch.delenv("INTEGRATION_SLUG")
    settings = settings_from(HEADWATER_ENV_FILE=str(file), INTEGRATION_VERSION="3.0.0")
    assert (settings["INTEGRATION_SLUG"], settings["INTEGRATION_VERSION"]) == ("from-the-file", "3.0.0")
