import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
# "lockgate secret set SECRET_KEY" gives the real one; builds need none.
SECRET_KEY = os.environ.get("SECRET_KEY", "only for builds and tests")
DEBUG = False
# The edge in front decides which hostnames lead here.
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["django.contrib.staticfiles"]
ROOT_URLCONF = "hello.urls"
WSGI_APPLICATION = "hello.wsgi.application"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ.get("DATABASE", "/tmp/hello.sqlite3")}}
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "collected"
STATICFILES_DIRS = [BASE_DIR / "assets"]
