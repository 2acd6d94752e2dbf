"""Every setting, read from the environment; safe when nothing is set.

With nothing set this is the embedded house of `make run`: loopback only, its own PostgreSQL, its
own secrets under `var/`. With `DATABASE_URL` it is production, and whatever is missing stops the
start by name. docs/operating.md explains each variable; .env.example lists them.
"""

from pathlib import Path

from csp.constants import NONCE, NONE, SELF
from django.utils.translation import gettext_lazy as _

from config import brokers, env
from config.embedded.home import Home
from config.logs import logging_settings
from config.origin import Origin
from config.schedule import beat_schedule

BASE_DIR = Path(__file__).resolve().parent.parent
env.load_file(BASE_DIR)
DEBUG = False

# Where run-time data lives, and what this installation is called from outside.

JAWORT_VAR = env.path("JAWORT_VAR", BASE_DIR / "var")
JAWORT_EXPORT_DIR = env.path("JAWORT_EXPORT_DIR", JAWORT_VAR / "exports")
JAWORT_MEDIA_DIR = env.path("JAWORT_MEDIA_DIR", JAWORT_VAR / "media")
EMBEDDED = not env.text("DATABASE_URL", "")

_origin = Origin.read("JAWORT_ORIGIN", default="http://127.0.0.1:8000" if EMBEDDED else None)
JAWORT_ORIGIN = str(_origin)
# The demo newsroom shows its post and asks for no second factor, so it never listens to others.
# Who signs the logs' checkpoints, and who outside sees them: `address|key`, with commas.
JAWORT_SIGNER_SOCKET = env.path("JAWORT_SIGNER_SOCKET", JAWORT_VAR / "run" / "signer.sock")
JAWORT_WITNESSES = env.words("JAWORT_WITNESSES")
# Who stamps the checkpoints with the time (RFC 3161), and the file with the roots believed for it.
JAWORT_TSA = env.text("JAWORT_TSA", "")
JAWORT_TSA_ROOTS = env.text("JAWORT_TSA_ROOTS", "")
JAWORT_DEMO = EMBEDDED and _origin.is_loopback and env.flag("JAWORT_DEMO", default=True)
JAWORT_PROXIES = env.number("JAWORT_PROXIES", 0)
# From which age somebody may consent alone (Art. 8 GDPR), each with its first day; children.py.
JAWORT_AGE_LIMITS = env.text("JAWORT_AGE_LIMITS", "2018-05-25:16")

# Secrets

SECRET_KEY = env.secret("SECRET_KEY", JAWORT_VAR / "secrets" / "secret.key")
SECRET_KEY_FALLBACKS = env.words("SECRET_KEY_FALLBACKS")
JAWORT_KEY = env.root_key("JAWORT_KEY", JAWORT_VAR / "secrets" / "root.key")
JAWORT_KEY_FILE = env.path("JAWORT_KEY_FILE", JAWORT_VAR / "secrets" / "root.key")
# The other half of the keys that wrap keys, rewritten by each rotation (docs/keys.md). A root key
# that stands in the environment has no folder for it, unless one is named.
JAWORT_EPOCHS_FILE = env.epochs_file("JAWORT_EPOCHS_FILE", "JAWORT_KEY", JAWORT_KEY_FILE)
# How long copies are kept: what an old key wrapped must be readable as long as they are.
JAWORT_DATA_BACKUP_DAYS = env.number("JAWORT_DATA_BACKUP_DAYS", 35)
JAWORT_KEYSTORE_BACKUP_DAYS = env.number("JAWORT_KEYSTORE_BACKUP_DAYS", 7)
JAWORT_ROTATION_DAYS = env.number("JAWORT_ROTATION_DAYS", 7)
# Who may read /metrics: whoever has this token; without one, this machine alone (metrics.py).
JAWORT_METRICS_TOKEN = env.optional_secret("JAWORT_METRICS_TOKEN")
# Memory in KiB and iterations of the slow hash of a suppressed address (Argon2id).
SUPPRESSION_ARGON2 = (8 * 1024, 1)

# Databases: the data, and apart from them the keys, so that their backups can be apart too.

_home = Home.of(JAWORT_VAR)
DATABASES = {
    "default": env.database("DATABASE_URL", _home.url("data") if EMBEDDED else None),
    "keystore": env.database("KEYSTORE_URL", _home.url("keystore") if EMBEDDED else None),
}
# The owner makes and changes tables; it is used by `manage.py setup_databases` alone.
OWNER_DATABASES = {
    "default": env.database(
        "DATABASE_OWNER_URL",
        _home.url("data", owner=True) if EMBEDDED else env.text("DATABASE_URL"),
    ),
    "keystore": env.database(
        "KEYSTORE_OWNER_URL",
        _home.url("keystore", owner=True) if EMBEDDED else env.text("KEYSTORE_URL"),
    ),
}
for _database in (*DATABASES.values(), *OWNER_DATABASES.values()):
    # Values travel apart from the statement, so that they never stand in the server's log.
    _database["OPTIONS"]["server_side_binding"] = True
    _database["CONN_MAX_AGE"] = env.number("JAWORT_CONNECTION_SECONDS", 600)
    _database["CONN_HEALTH_CHECKS"] = True
DATABASE_ROUTERS = ["privacy.vault.router.KeystoreRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "cache",
        "KEY_FUNCTION": "config.cache.hashed_key",
    }
}

# Apps, from the roof down to the ground floor

LOCAL_APPS = ["config", "broadcasts", "subscriptions", "messengers", "privacy", "privacy.vault"]
INSTALLED_APPS = [
    *LOCAL_APPS,
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.admin",
    "django.contrib.humanize",
    "rest_framework",
    "drf_spectacular",
    "django_celery_beat",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "django_htmx",
    "csp",
]

MIDDLEWARE = [
    "config.request_ids.RequestIds",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "privacy.middleware.StaffGate",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "config" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "config.context.frame",
            ]
        },
    }
]

# Who signs in, and how

AUTH_USER_MODEL = "privacy.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "privacy.access.sign_in.StaffAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_PREVENT_ENUMERATION = "strict"
ACCOUNT_LOGIN_BY_CODE_ENABLED = False
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
# Guesses are counted by privacy.access.guesses, in the database and in one statement.
ACCOUNT_RATE_LIMITS = False
ALLAUTH_TRUSTED_PROXY_COUNT = JAWORT_PROXIES
MFA_ADAPTER = "privacy.access.sign_in.SealingMfaAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_TOTP_ISSUER = "Jawort"
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_TRUST_ENABLED = False
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not _origin.is_https

# The edge: everything follows the origin. Plain HTTP is for the loopback alone.

ALLOWED_HOSTS = [*_origin.hosts, *env.words("JAWORT_HOSTS")]
CSRF_TRUSTED_ORIGINS = [JAWORT_ORIGIN]
SECURE_SSL_REDIRECT = _origin.is_https
SECURE_REDIRECT_EXEMPT = ["^livez$", "^readyz$", "^metrics$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if _origin.is_https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _origin.is_https
SECURE_HSTS_PRELOAD = _origin.is_https
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if JAWORT_PROXIES else None
# Our addresses are named to nobody else. Not "no-referrer": with it a browser hides the origin of a
# form even from us, and every form would be refused. Pages behind a link tighten it for themselves.
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_ENGINE = "privacy.access.sessions"
SESSION_COOKIE_NAME = _origin.cookie_name("session")
SESSION_COOKIE_SECURE = _origin.is_https
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
CSRF_COOKIE_NAME = _origin.cookie_name("csrf")
CSRF_COOKIE_SECURE = _origin.is_https
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_NAME = _origin.cookie_name("language")
LANGUAGE_COOKIE_SECURE = _origin.is_https
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "frame-src": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "object-src": [NONE],
    }
}
# A webhook may bring this much (section "webhook body" of the design).
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024
# Uploads stay in memory: a list of people in a temporary file would lie on the disk in clear.
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
FILE_UPLOAD_MAX_MEMORY_SIZE = 21 * 1024 * 1024

# Words and times

LANGUAGE_CODE = "de"
LANGUAGES = [("de", _("German")), ("en", _("English"))]
USE_I18N = True
USE_TZ = True
# What pages show and what dates in forms mean; stored, logged and computed is UTC.
TIME_ZONE = DISPLAY_TIME_ZONE = env.text("JAWORT_TIME_ZONE", "Europe/Berlin")

# Files

STATIC_URL = "static/"
# Served from the packages themselves: there is nothing to collect, and nothing to forget.
WHITENOISE_USE_FINDERS = True

# Messages in and out

INBOUND = "config.inbound"
ANSWER_SUBJECT = "config.inbound.answer_subject"
# How long an erasure asked for by web page, letter or mail waits: time to say "this was not me".
JAWORT_GRACE_HOURS = env.number("JAWORT_GRACE_HOURS", 24)
# How many packages of people one member of staff may make or look at in a day, alone.
JAWORT_EXPORTS_A_DAY = env.number("JAWORT_EXPORTS_A_DAY", 20)
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
JAWORT_MAILBOX_PORT = env.number("JAWORT_MAILBOX_PORT", 8025)
_smtp = env.smtp("JAWORT_SMTP_URL", f"smtp://127.0.0.1:{JAWORT_MAILBOX_PORT}" if EMBEDDED else None)
EMAIL_HOST = _smtp.host
EMAIL_PORT = _smtp.port
EMAIL_HOST_USER = _smtp.user
EMAIL_HOST_PASSWORD = _smtp.password
EMAIL_USE_TLS = _smtp.starttls
EMAIL_USE_SSL = _smtp.tls
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = env.text("JAWORT_MAIL_FROM", f"jawort@{_origin.host}")
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# Celery carries ids and nothing else; PostgreSQL is the truth, the broker rings the bell.

CELERY_BROKER_URL = env.text("CELERY_BROKER_URL", "jawort-files://localhost" if EMBEDDED else None)
CELERY_BROKER_TRANSPORT_OPTIONS = brokers.transport_options(CELERY_BROKER_URL, JAWORT_VAR)
CELERY_BROKER_CONNECTION_TIMEOUT = brokers.CONNECT_SECONDS
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # until it is back
CELERY_BROKER_HEARTBEAT = brokers.HEARTBEAT_SECONDS
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = 120
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# A lost broker is no reason to kill who is sending: what it has on the wire would be in doubt. The
# task is given out a second time then, and finds the batches leased.
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = "UTC"
# Sending has its own queue, so that a long broadcast never delays ticks and answers.
CELERY_TASK_QUEUES = brokers.queues(CELERY_BROKER_URL)
CELERY_TASK_ROUTES = {"messengers.tasks.work": {"queue": "send"}}
CELERY_BEAT_SCHEDULE = beat_schedule()
CELERY_BEAT_SCHEDULER = "config.ticks:Ticker"

# API

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "config.api.errors.handle",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Jawort",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
}

LOGGING_CONFIG = "logging.config.dictConfig"
LOGGING = logging_settings(env.text("JAWORT_LOG_LEVEL", "INFO").upper())
