"""The smallest settings that a Django application with a database and forms needs."""

import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent

SECRET_KEY = os.environ.get("NOTES_SECRET_KEY", "only-for-this-example")
DEBUG = False
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
ROOT_URLCONF = "notes.urls"
INSTALLED_APPS = ["notes"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware"]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("NOTES_DATABASE", BASE_DIR / "notes.sqlite3"),
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True

# OpenTelemetry's logging instrumentation adds otelTraceID and otelSpanID to every record.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "traced": {
            "format": "%(asctime)s %(levelname)s [%(name)s] [trace_id=%(otelTraceID)s span_id=%(otelSpanID)s] %(message)s",
            "defaults": {"otelTraceID": "0", "otelSpanID": "0"},
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "traced"}},
    "loggers": {"notes": {"handlers": ["console"], "level": "INFO"}},
}
