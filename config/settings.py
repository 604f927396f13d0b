"""All settings, from the environment (or the file .env beside manage.py). docs/settings.md lists each with its meaning.

A missing or bad value stops the start with one line that says which and what to do.
"""

from pathlib import Path
from urllib.parse import urlsplit

from celery.schedules import crontab
from django.templatetags.static import static
from django.urls import reverse_lazy

from config import environment
from config.environment import BASE_DIR, env

environment.read_env_file()

DEBUG = environment.flag("DEBUG")
DEMO = environment.flag("DEMO")
SECRET_KEY = environment.secret_key()
SITE_URL = environment.web_address("SITE_URL", default="http://127.0.0.1:8000")
# Not by the default of env.list: it counts an empty value as set, and would leave no host at all.
ALLOWED_HOSTS = (
    env.list("ALLOWED_HOSTS")
    if environment.text("ALLOWED_HOSTS")
    else ["localhost", "127.0.0.1", "[::1]", urlsplit(SITE_URL).hostname]
)
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS") if environment.text("CSRF_TRUSTED_ORIGINS") else [SITE_URL]
VAR_DIR = Path(environment.text("VAR_DIR", str(BASE_DIR / "var")))
PORT = environment.number("PORT", default=0, at_least=0, at_most=65_535)

INSTALLED_APPS = [
    "config",
    "tenants",
    "integrations",
    "delivery",
    "examples.campaigns",
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "anymail",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
]

MIDDLEWARE = [
    # Outside of all others: what they answer by themselves is covered too.
    "config.security.SecurityHeaders",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "integrations.gone.GoneSources",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "tenants.context.tenancy",
            ],
        },
    },
]

DATABASES = {"default": environment.database() | {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = environment.redis_url()
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        # A frozen server costs a request this much, and no more.
        "OPTIONS": {"socket_timeout": 1, "socket_connect_timeout": 1},
    }
}

CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_timeout": 2, "socket_connect_timeout": 2}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
# A task is a hint, and the sweep sends the next one: it needs no second try, no answer, no late acknowledgement.
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False
# Celery closes the database's connections around each task unless told after how many. Here their age decides, and
# whether they still work: config/celery.py.
CELERY_DB_REUSE_MAX = 1_000_000
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_DEFAULT_QUEUE = "sweep"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_BEAT_SCHEDULE = {
    # No expiry: it would be judged by the clock of another machine. Sweeps that piled up are one (delivery/tasks.py).
    "sweep": {"task": "delivery.tasks.sweep", "schedule": 1.0, "options": {"queue": "sweep"}},
    "alerts": {"task": "delivery.tasks.keep_alerts", "schedule": 30.0, "options": {"queue": "sweep"}},
    "going live": {"task": "delivery.tasks.finish_going_live", "schedule": 10.0, "options": {"queue": "sweep"}},
    # A queue of its own: a deployment may give the slow work of exports a worker of its own, or a slow one.
    "exports": {"task": "delivery.tasks.export", "schedule": 10.0, "options": {"queue": "exports"}},
    "partitions": {"task": "delivery.tasks.keep_partitions_ahead", "schedule": 60.0, "options": {"queue": "sweep"}},
    "clock": {"task": "delivery.tasks.bring_back", "schedule": 60.0, "options": {"queue": "sweep"}},
    "erase": {"task": "delivery.tasks.erase", "schedule": 60.0, "options": {"queue": "sweep"}},
    "orphans": {"task": "delivery.tasks.erase_orphans", "schedule": crontab(minute=37), "options": {"queue": "sweep"}},
    "sessions": {
        "task": "delivery.tasks.clear_sessions",
        "schedule": crontab(hour=4, minute=17),
        "options": {"queue": "sweep"},
    },
    # By the clock: a beat that is started again each hour must not put it off for ever.
    "retention": {
        "task": "delivery.tasks.keep_retention",
        "schedule": crontab(minute=7),
        "options": {"queue": "sweep"},
    },
}

globals().update(_email := environment.email(demo=DEMO, debug=DEBUG))
ANYMAIL = environment.email_provider(_email["EMAIL_BACKEND"])
DEFAULT_FROM_EMAIL = SERVER_EMAIL = environment.text(
    "DEFAULT_FROM_EMAIL", f"Headwater <no-reply@{urlsplit(SITE_URL).hostname}>"
)
EMAIL_TIMEOUT = 20

AUTH_USER_MODEL = "tenants.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
ACCOUNT_ADAPTER = "tenants.account_mails.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_CHANGE_EMAIL = False
ACCOUNT_DEFAULT_HTTP_PROTOCOL = SITE_URL.partition("://")[0]
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_LOGIN_ON_EMAIL_CONFIRMATION = True
# Five wrong passwords for an address in five minutes, ten a minute from one place, and so on: docs/people.md.
ACCOUNT_RATE_LIMITS = {"login_failed": "10/m/ip,5/300s/key"}
USERSESSIONS_ADAPTER = "tenants.sessions.SessionsAdapter"
MFA_ADAPTER = "integrations.second_factor.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
# A phone's clock may be half a minute off.
MFA_TOTP_TOLERANCE = 1
# In the demo its staff log-in is for trying; elsewhere staff see every customer.
REQUIRE_STAFF_MFA = environment.flag("REQUIRE_STAFF_MFA", default=not DEMO)
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "tenants:home"
# A cookie is for a host whatever the port: two copies on one machine must not sign each other out.
_PORT_SUFFIX = f"_{port}" if (port := urlsplit(SITE_URL).port) else ""
SESSION_COOKIE_NAME = f"headwater_session{_PORT_SUFFIX}"
CSRF_COOKIE_NAME = f"headwater_csrf{_PORT_SUFFIX}"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = True
FORMAT_MODULE_PATH = "config.formats"
USE_TZ = True

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Served from where they lie, or collected, compressed and named by their content for a deployment.
STATIC_COLLECTED = environment.flag("STATIC_COLLECTED", default=not DEBUG and not DEMO)
STATIC_ROOT = BASE_DIR / "staticfiles" if STATIC_COLLECTED else None
WHITENOISE_USE_FINDERS = not STATIC_COLLECTED
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if STATIC_COLLECTED
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

if environment.flag("BEHIND_PROXY"):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    # Otherwise all visitors would share the proxy's address, and with it one rate limit of log-ins.
    ALLAUTH_TRUSTED_PROXY_COUNT = 1
if SITE_URL.startswith("https://") and not DEBUG:
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = True
    SECURE_HSTS_SECONDS = environment.number("HSTS_SECONDS", default=31_536_000, at_least=0, at_most=63_072_000)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = environment.flag("HSTS_SUBDOMAINS", default=True)
# Preloading is about a whole domain, and its owner's to ask for; it cannot be taken back for months.
SILENCED_SYSTEM_CHECKS = ["security.W021"]
SECURE_REDIRECT_EXEMPT = ["^(healthz|readyz|metrics)$", "^v1/", "^segment/inbound/?$"]
SESSION_COOKIE_HTTPONLY = True

LOG_FORMAT = environment.matching(
    "LOG_FORMAT", environment.LOG_FORMATS, "json or plain", default="plain" if DEMO or DEBUG else "json"
)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {"()": "config.logs.PlainFormatter", "format": "%(asctime)s %(levelname)s %(name)s: %(message)s"},
        "json": {"()": "config.logs.JsonFormatter"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        # They log every URL that is asked for.
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},
        # They log every sweep of every second.
        "celery.app.trace": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},
    },
}

INTEGRATION_SLUG = environment.matching(
    "INTEGRATION_SLUG", environment.SLUG, "a slug of small letters, digits and hyphens", default="headwater"
)
INTEGRATION_VERSION = environment.matching(
    "INTEGRATION_VERSION", environment.SEMVER, "a semantic version such as 1.0.0", default="1.0.0"
)
INTEGRATION_TOOL_ID_FIELD = environment.matching(
    "INTEGRATION_TOOL_ID_FIELD",
    environment.IDENTIFIER,
    "a name of letters, digits and underscores",
    default="yourToolId",
)
# The kind of tool that sends: it decides which names of events are look-alikes of the Spec's. Empty for none.
INTEGRATION_CATEGORY = environment.spec_category("INTEGRATION_CATEGORY", default="email")
PRODUCT_NAME = environment.matching(
    "PRODUCT_NAME",
    environment.PRODUCT_NAME,
    "a name of up to 60 letters, digits, spaces and signs of names",
    default="Headwater",
)
PRODUCT_DESCRIPTION = environment.matching(
    "PRODUCT_DESCRIPTION",
    environment.SENTENCE,
    "a sentence or two of 20 to 300 characters on one line",
    default="Headwater sends email campaigns and shows what their recipients do with them.",
)
PRODUCT_URL = environment.web_address("PRODUCT_URL", default="https://headwater.example")
SUPPORT_EMAIL = environment.address_of_email("SUPPORT_EMAIL", default=environment.EXAMPLE_SUPPORT)
SEGMENT_URLS = {
    "us": environment.web_address("SEGMENT_US_URL", default="https://api.segment.io/v1", secure=True),
    "eu": environment.web_address("SEGMENT_EU_URL", default="https://events.eu1.segmentapis.com/v1", secure=True),
}
# How many worker processes there are: each one's share of Segment's request rate while Redis does not answer.
WORKER_PROCESSES = environment.number("WORKER_PROCESSES", default=4, at_least=1, at_most=49)
# How the log is kept: docs/retention.md.
EVENT_PARTITION_IDS = environment.number(
    "EVENT_PARTITION_IDS", default=5_000_000, at_least=10_000, at_most=1_000_000_000
)
EVENT_RETENTION_DAYS = environment.number("EVENT_RETENTION_DAYS", default=30, at_least=2, at_most=3_650)
BATCH_RETENTION_DAYS = environment.number(
    "BATCH_RETENTION_DAYS", default=max(90, EVENT_RETENTION_DAYS), at_least=EVENT_RETENTION_DAYS, at_most=3_650
)
REFUSAL_RETENTION_DAYS = environment.number("REFUSAL_RETENTION_DAYS", default=30, at_least=1, at_most=3_650)
MESSAGE_KEY_HOURS = environment.number("MESSAGE_KEY_HOURS", default=72, at_least=24, at_most=8_760)
# Between the two warnings of a tenant, and between the second and the end: all three fit into the retention.
RETENTION_WARNING_DAYS = environment.number(
    "RETENTION_WARNING_DAYS", default=min(3, EVENT_RETENTION_DAYS // 2), at_least=1, at_most=EVENT_RETENTION_DAYS // 2
)
# How long the file of a company's export is kept for its owners: docs/privacy.md.
EXPORT_DAYS = environment.number("EXPORT_DAYS", default=7, at_least=1, at_most=90)
METRICS_TOKEN = environment.matching(
    "METRICS_TOKEN", environment.TOKEN, "16 characters or more, without spaces", default=""
)
ENCRYPTION_KEYS = environment.encryption_keys()
DEFAULT_EXCEPTION_REPORTER_FILTER = "integrations.reporting.SecretFilter"


def _admin_page(title: str, icon: str, model: str) -> dict[str, object]:
    return {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{model}_changelist")}


UNFOLD = {
    "SITE_TITLE": "Headwater",
    "SITE_HEADER": "Headwater",
    "SITE_SUBHEADER": "Staff",
    "SITE_SYMBOL": "water_drop",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda _request: static("img/favicon.svg")}],
    "STYLES": [lambda _request: static("css/admin.css")],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "COLORS": {
        "primary": {
            "50": "oklch(97.8% .014 215)",
            "100": "oklch(94.6% .03 213)",
            "200": "oklch(89% .055 212)",
            "300": "oklch(81% .085 211)",
            "400": "oklch(71% .105 213)",
            "500": "oklch(61% .105 216)",
            "600": "oklch(52% .093 217)",
            "700": "oklch(45.5% .079 218)",
            "800": "oklch(39.5% .066 220)",
            "900": "oklch(34.5% .055 222)",
            "950": "oklch(26% .045 225)",
        },
    },
    "SIDEBAR": {
        "navigation": [
            {
                "title": "Delivery",
                "items": [
                    _admin_page("Events", "bolt", "delivery_event"),
                    _admin_page("Batches", "inventory_2", "delivery_batch"),
                    _admin_page("Attempts", "swap_vert", "delivery_attempt"),
                    _admin_page("Refusals", "block", "delivery_refusal"),
                    _admin_page("Lanes", "conversion_path", "delivery_lane"),
                    _admin_page("Rate holds", "hourglass_top", "delivery_ratehold"),
                    _admin_page("Retention warnings", "timer", "delivery_retentionwarning"),
                    _admin_page("Imports", "upload_file", "delivery_fileimport"),
                    _admin_page("Incidents", "report", "delivery_incident"),
                    _admin_page("Alert mails", "outgoing_mail", "delivery_alertmail"),
                    _admin_page("Going live", "rocket_launch", "delivery_goinglive"),
                    {"title": "Review", "icon": "checklist", "link": reverse_lazy("staff_review")},
                ],
            },
            {
                "title": "Segment",
                "items": [
                    {"title": "Sources by state", "icon": "monitoring", "link": reverse_lazy("staff_board")},
                    _admin_page("Sources", "hub", "integrations_source"),
                    _admin_page("People", "groups", "integrations_person"),
                    _admin_page("API keys", "key", "integrations_apikey"),
                ],
            },
            {
                "title": "Tenants",
                "items": [
                    _admin_page("Tenants", "apartment", "tenants_tenant"),
                    _admin_page("Users", "person", "tenants_user"),
                    _admin_page("Memberships", "group", "tenants_membership"),
                    _admin_page("Invitations", "mail", "tenants_invitation"),
                    _admin_page("History", "history", "tenants_auditentry"),
                    _admin_page("Erasures", "delete_forever", "tenants_erasure"),
                    _admin_page("Exports", "download", "tenants_export"),
                ],
            },
        ],
    },
}
