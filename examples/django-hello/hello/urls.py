import os
import platform

from django.http import HttpResponse
from django.urls import path


def index(request):
    greeting = os.environ.get("GREETING", "Hello")
    return HttpResponse(f"{greeting} from Django on Python {platform.python_version()}\n", content_type="text/plain")


urlpatterns = [path("", index)]
