"""Every setting of ddiweb, read once from the environment (see ``.env.example``)."""

from pathlib import Path
from typing import Any

from csp.constants import NONCE, NONE, SELF
from marshmallow.validate import OneOf

from ddiweb import settings_api, settings_celery
from ddiweb.env import BASE_DIR, VAR_DIR, env, secret
from ddiweb.settings_logging import json_lines

DEBUG = env.bool("DDIWEB_DEBUG", False)
SECRET_KEY = secret("DDIWEB_SECRET_KEY")
#: Fernet keys, newest first: the first encrypts, all decrypt. They live outside the database.
FIELD_KEYS = [key.strip() for key in secret("DDIWEB_FIELD_KEYS").split(",") if key.strip()]
ALLOWED_HOSTS = env.list("DDIWEB_ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("DDIWEB_CSRF_TRUSTED_ORIGINS", [])

# The node whose worker, watch or command runs here: how to reach its Asterisk and its agent.
NODE = env.str("DDIWEB_NODE", "local")
AGENT_SOCKET = env.str("DDIWEB_AGENT_SOCKET", "/run/ddiweb/agent.sock")
REALTIME_URL = env.str("DDIWEB_REALTIME_URL", f"sqlite:///{VAR_DIR}/realtime.sqlite3")
#: Where Asterisk reads its certificate for phones with TLS; the worker writes it.
TLS_DIR = env.str("DDIWEB_TLS_DIR", f"{VAR_DIR}/tls")
#: Authorities by which Asterisk verifies the certificates of vendors with TLS.
VENDOR_CA_FILE = Path(env.str("DDIWEB_VENDOR_CA_FILE", "/etc/ssl/certs/ca-certificates.crt"))
#: Where Asterisk finds announcements and greetings; the worker writes them.
SOUNDS_DIR = env.str("DDIWEB_SOUNDS_DIR", f"{VAR_DIR}/sounds")
#: Where Asterisk keeps voicemail (its spool folder); the worker reads it.
VOICEMAIL_DIR = env.str("DDIWEB_VOICEMAIL_DIR", "/var/spool/asterisk/voicemail")
VOICEMAIL_EVERY = env.float("DDIWEB_VOICEMAIL_EVERY", 10.0)
#: A public authority's certificate and its key, in place of one of the panel's own.
TLS_CERTIFICATE = env.str("DDIWEB_TLS_CERTIFICATE", "")
TLS_KEY = env.str("DDIWEB_TLS_KEY", "")
#: Where phones reach the panel, such as https://panel.example.net; empty: as its people do.
PROVISIONING_URL = env.str("DDIWEB_PROVISIONING_URL", "")
#: Asterisk's log (deploy/asterisk/logger.conf), in which the watch sees failed logins of IAX2.
ASTERISK_LOG = env.str("DDIWEB_ASTERISK_LOG", "/var/log/asterisk/messages")
#: Where Asterisk writes call records (deploy/asterisk/cdr_custom.conf); the watch reads them.
CALL_RECORDS = env.str("DDIWEB_CALL_RECORDS", "/var/log/asterisk/cdr-custom/ddiweb.csv")
AMI_HOST = env.str("DDIWEB_AMI_HOST", "127.0.0.1")
AMI_PORT = env.int("DDIWEB_AMI_PORT", 5038)
AMI_USERNAME = env.str("DDIWEB_AMI_USERNAME", "ddiweb")
#: On loopback of the node: there the watch answers the dialplan's questions for callers' names.
NAMES_PORT = env.int("DDIWEB_NAMES_PORT", 5050)
NAMES_PORT_ASKED = NAMES_PORT or 5050  # 0: the dialplan asks where nobody answers
#: A file of authorities: AMI speaks TLS, and the other end must prove that it is AMI_HOST.
AMI_CA = env.str("DDIWEB_AMI_CA", "")

# The pipeline's clocks, in seconds (docs/states.md).
DEPLOY_QUIET = env.float("DDIWEB_DEPLOY_QUIET", 1.0)
DEPLOY_LEASE = env.float("DDIWEB_DEPLOY_LEASE", 12.0)
SWEEP_EVERY = env.float("DDIWEB_SWEEP_EVERY", 10.0)
DRIFT_EVERY = env.float("DDIWEB_DRIFT_EVERY", 15.0)
HEAR_EVERY = env.float("DDIWEB_HEAR_EVERY", 30.0)
TRAFFIC_EVERY = env.float("DDIWEB_TRAFFIC_EVERY", 30.0)
KEEP_DAYS = env.int("DDIWEB_KEEP_DAYS", 90)
LEAK_PLACES = env.int("DDIWEB_LEAK_PLACES", 4, validate=lambda n: n >= 2)
TOKEN_GRACE_HOURS = env.int("DDIWEB_TOKEN_GRACE_HOURS", 72)
TOKEN_RETIRE_HOURS = env.int("DDIWEB_TOKEN_RETIRE_HOURS", 0)
DNS_EVERY = env.float("DDIWEB_DNS_EVERY", 60.0)
DNS_GRACE_HOURS = env.int("DDIWEB_DNS_GRACE_HOURS", 72)
#: Name servers for vendors' names, such as 192.0.2.53 or [2001:db8::53]:5353; none: the system's.
DNS_SERVERS: list[str] = env.list("DDIWEB_DNS_SERVERS", [])

INSTALLED_APPS = [
    "ddiweb.apps.PanelAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "knox",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "simple_history",
    "axes",
    "csp",
    "ddiweb.api",
    "ddiweb.deploy",
    "ddiweb.live",
    "peers",
    "firewall",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "ddiweb.client.AskingMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "ddiweb.urls"
WSGI_APPLICATION = "ddiweb.wsgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "ddiweb.deploy.trials.context",
            ]
        },
    }
]

DATABASES = {"default": env.dj_db_url("DDIWEB_DATABASE_URL", f"sqlite:///{VAR_DIR}/ddiweb.sqlite3")}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # IMMEDIATE: a writer waits for the lock at BEGIN, instead of failing at its first write
    # after a read with SQLITE_BUSY_SNAPSHOT, which no time-out helps against.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
#: Behind a proxy all come from its address: anybody could lock everybody out.
AXES_CLIENT_IP_CALLABLE = "ddiweb.client.address"
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

# Cookies and transport: strict unless the panel is served in clear on loopback (`make run`).
HTTPS = env.bool("DDIWEB_HTTPS", True)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"\A(healthz|readyz)\Z"]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
BEHIND_PROXY = env.bool("DDIWEB_BEHIND_PROXY", False)
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = SESSION_COOKIE_SAMESITE = "Strict"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "media-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# Mail with voicemail; without a server it waits, and the panel says why.
EMAIL_HOST = env.str("DDIWEB_SMTP_HOST", "")
EMAIL_PORT = env.int("DDIWEB_SMTP_PORT", 25)
EMAIL_HOST_USER = env.str("DDIWEB_SMTP_USER", "")
EMAIL_HOST_PASSWORD = secret("DDIWEB_SMTP_PASSWORD") if EMAIL_HOST_USER else ""
_SMTP_SECURITY = env.str(
    "DDIWEB_SMTP_SECURITY", "none", validate=OneOf(["none", "starttls", "tls"])
)
EMAIL_USE_TLS, EMAIL_USE_SSL = _SMTP_SECURITY == "starttls", _SMTP_SECURITY == "tls"
EMAIL_TIMEOUT = 15
DEFAULT_FROM_EMAIL = env.str("DDIWEB_MAIL_FROM", "ddiweb@localhost")

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_I18N = USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "ddiweb" / "static"]
# An uploaded sound stays in memory: it is read once, and never a file of the panel's.
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
FILE_UPLOAD_MAX_MEMORY_SIZE = 11 * 1024 * 1024
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True

REST_FRAMEWORK = settings_api.rest_framework(proxies=int(BEHIND_PROXY))
REST_KNOX = settings_api.TOKENS
KNOX_TOKEN_MODEL = settings_api.TOKEN_MODEL
# knox's own table would never be used, and would keep PostgreSQL from emptying the users' one.
MIGRATION_MODULES = {"knox": None}
SPECTACULAR_SETTINGS = settings_api.SCHEMA

REDIS_URL = env.str("DDIWEB_REDIS_URL", "redis://127.0.0.1:6379/0")


CELERY_BROKER_URL = settings_celery.broker_url(REDIS_URL)
CELERY_TASK_QUEUES = settings_celery.queues(NODE)
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "celerybeat-schedule")
CELERY_BEAT_SCHEDULE = settings_celery.schedule(
    sweep=SWEEP_EVERY,
    drift=DRIFT_EVERY,
    hear=HEAR_EVERY,
    traffic=TRAFFIC_EVERY,
    voicemail=VOICEMAIL_EVERY,
    vendor_names=DNS_EVERY,
)
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TIME_LIMIT = 60
CELERY_TASK_SOFT_TIME_LIMIT = 45
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_DEFAULT_QUEUE = "control"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # A message of a killed worker comes back after this time; the sweeper is faster.
    "visibility_timeout": 120,
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "health_check_interval": 5,
    # A publisher that can't reach Redis gives up at once: the row is there, the sweeper finds it.
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0.2,
    "interval_max": 0.2,
}
CELERY_TASK_PUBLISH_RETRY = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False

LOGGING = json_lines(env.str("DDIWEB_LOG_LEVEL", "INFO"))
