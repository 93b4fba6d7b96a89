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

# Handlers come from OpenTelemetry's logging instrumentation: one that exports, and with OTEL_PYTHON_LOG_CORRELATION=true
# one that prints each record with the ids of its trace and span.
LOGGING = {"version": 1, "disable_existing_loggers": False, "loggers": {"notes": {"level": "INFO"}}}
