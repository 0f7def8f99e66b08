"""All settings. Each variable stands in .env.example with what it is for; axconnect/checks.py checks them."""

import os
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from axconnect.environment import Environment, read_env_file
from axconnect.keys import generated_keys
from axconnect.theme import UNFOLD as UNFOLD

BASE_DIR = Path(__file__).resolve().parent.parent

ENV_FILE = BASE_DIR / os.environ.get("AX_ENV_FILE", ".env")
ENV_FILE_NAMES = read_env_file(ENV_FILE)
env = Environment()
WRONG_VALUES = env.wrong

# --- Where it runs -----------------------------------------------------------------------------------------
DEBUG = env.flag("DEBUG")
DEMO = env.flag("DEMO")
DATA_DIR = BASE_DIR / env.text("DATA_DIR", ".data")
PUBLIC_URL = env.text("PUBLIC_URL", "http://127.0.0.1:8000").rstrip("/")
_public = urlsplit(PUBLIC_URL)
LOOPBACK_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
ALLOWED_HOSTS = [
    *env.words("ALLOWED_HOSTS"),
    *LOOPBACK_HOSTS,
    *([_public.hostname] if _public.hostname else []),
]
CSRF_TRUSTED_ORIGINS = [f"{_public.scheme}://{_public.netloc}"] if _public.netloc else []

# --- Keys --------------------------------------------------------------------------------------------------
SECRET_KEY = env.text("SECRET_KEY")
FIELD_KEYS = env.words("FIELD_KEYS")
GENERATED_KEYS = [
    name for name, value in (("SECRET_KEY", SECRET_KEY), ("FIELD_KEYS", FIELD_KEYS)) if not value
]
if GENERATED_KEYS:
    _generated = generated_keys(DATA_DIR)
    SECRET_KEY = SECRET_KEY or _generated["secret_key"]
    FIELD_KEYS = FIELD_KEYS or _generated["field_keys"]

# --- Database ----------------------------------------------------------------------------------------------
_SQLITE = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(DATA_DIR / "axconnect.sqlite3")}
DATABASES = {"default": env.database("DATABASE_URL", _SQLITE)}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    DATABASES["default"]["OPTIONS"] = {
        # A transaction that starts by reading cannot become a writer while another writes; so start as one.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL;"
            "PRAGMA synchronous=NORMAL;"
            "PRAGMA temp_store=MEMORY;"
            "PRAGMA mmap_size=268435456;"
            "PRAGMA cache_size=-32000"
        ),
    }
    # A file: threads with connections of their own lock each other out of a shared in-memory database.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
else:
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
# Opening a connection costs as much as storing an event, so they stay open.
DATABASES["default"]["CONN_MAX_AGE"] = 600
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Redis and queues --------------------------------------------------------------------------------------
# `manage.py up` writes this file while it runs a private Redis, so that other commands find it.
REDIS_URL_FILE = DATA_DIR / "redis.url"
# Nothing listens there: whoever connects is told at once, in the error's own text, what to do.
NO_REDIS_URL = "unix:///REDIS_URL-is-not-set--set-it-or-start-with--manage.py-up"


def _redis_url() -> str:
    if given := env.text("REDIS_URL"):
        return given
    try:
        return REDIS_URL_FILE.read_text().strip() or NO_REDIS_URL
    except OSError:
        return NO_REDIS_URL


REDIS_URL = _redis_url()
RQ_QUEUES = {
    name: {"URL": REDIS_URL, "DEFAULT_TIMEOUT": 180, "DEFAULT_RESULT_TTL": 0}
    for name in ("events", "polls", "upkeep")
}
RQ_FAILURE_TTL = 24 * 3600
RQ_SHOW_ADMIN_LINK = False
WORKERS = env.whole("WORKERS", 2)
LANES = env.whole("LANES", 8)
POLLS_AT_ONCE = env.whole("POLLS_AT_ONCE", 32)

# --- The work ----------------------------------------------------------------------------------------------
CRM_API_BASE_URL = env.text("CRM_API_BASE_URL", "https://services.leadconnectorhq.com").rstrip("/")
CRM_API_VERSION = env.text("CRM_API_VERSION", "2021-07-28")
CRM_APP_ID = env.text("CRM_APP_ID")
CRM_APP_PUBLIC_KEYS = env.words("CRM_APP_PUBLIC_KEYS")
CRM_APP_ALLOW_RSA = env.flag("CRM_APP_ALLOW_RSA")
CRM_WEBHOOK_SECONDS = env.whole("CRM_WEBHOOK_SECONDS", 86_400)
ALLOW_PRIVATE_HOSTS = env.flag("ALLOW_PRIVATE_HOSTS")
POLL_SECONDS = env.whole("POLL_SECONDS", 300)
PAYLOAD_DAYS = env.whole("PAYLOAD_DAYS", 14)
GOOGLE_SERVICE_ACCOUNT_FILE = env.text("GOOGLE_SERVICE_ACCOUNT_FILE")
GOOGLE_API_BASE_URL = env.text("GOOGLE_API_BASE_URL").rstrip("/")
METRICS_TOKEN = env.text("METRICS_TOKEN")
SANDBOX_URL = env.text("SANDBOX_URL").rstrip("/")
SANDBOX_KEY = env.text("SANDBOX_KEY")

# --- Mail --------------------------------------------------------------------------------------------------
vars().update(env.mail("EMAIL_URL", "consolemail://"))
DEFAULT_FROM_EMAIL = f"AX Connect <no-reply@{_public.hostname or 'localhost'}>"

# --- Application -------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.import_export",
    "unfold.contrib.simple_history",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "axes",
    "import_export",
    "simple_history",
    "django_rq",
    "tenants",
    "categorization",
    "integrations",
    "axconnect",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "axconnect.urls"
WSGI_APPLICATION = "axconnect.wsgi.application"
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
            ]
        },
    }
]
STATIC_URL = "static/"
# Files are served from where the packages keep them: nothing to collect, nothing to forget after an update.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
WHITENOISE_MAX_AGE = 300

LANGUAGE_CODE = "en-us"
USE_I18N = False
TIME_ZONE = "UTC"
USE_TZ = True

# --- Sign-in -----------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "tenants.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "/"
OTP_TOTP_ISSUER = "AX Connect"
AXES_FAILURE_LIMIT = 6
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_ON_SUCCESS = True
# Together: behind a proxy everybody has one address, and one name alone would let strangers lock people out.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
# The sign-in form calls the e-mail address "username".
AXES_USERNAME_FORM_FIELD = "username"
AXES_LOCKOUT_TEMPLATE = "locked_out.html"
AXES_ALLOWED_CORS_ORIGINS = PUBLIC_URL
AXES_VERBOSE = False
AXES_ENABLE_ADMIN = False

# --- Security ----------------------------------------------------------------------------------------------
IS_HTTPS = _public.scheme == "https" and not DEBUG
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_AGE = 12 * 3600
SECURE_SSL_REDIRECT = IS_HTTPS
# Probes come from inside, without the proxy that does https.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = IS_HTTPS
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Preloading a whole domain is its owner's decision, not ours.
SILENCED_SYSTEM_CHECKS = ["security.W021"]

# --- Log: one plain line per thing, to standard error; never bodies, query strings or webhook keys --------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "axconnect.logs.LineFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.server": {"handlers": [], "level": "WARNING", "propagate": True},
        "axes": {"level": "WARNING"},
        "rq": {"level": "WARNING"},
        "rq.worker": {"level": "WARNING"},
        "urllib3": {"level": "ERROR"},
    },
}
