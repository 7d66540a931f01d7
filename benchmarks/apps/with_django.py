"""The smallest Django: no middleware but what every project has, and both entry points."""

import os

import django
from django.conf import settings
from django.http import HttpResponse, JsonResponse
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="benchmark",
    MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
)


def answer(request):
    return JsonResponse({"message": "Hello, World!"}, json_dumps_params={"separators": (",", ":")})


async def answer_async(request):
    return answer(request)


def process(request):
    return JsonResponse({"pid": os.getpid()})


urlpatterns = [
    path("", lambda request: HttpResponse()),
    path("json", answer),
    path("async", answer_async),
    path("process", process),
]
django.setup()


def _wsgi():
    from django.core.handlers.wsgi import WSGIHandler

    return WSGIHandler()


def _asgi():
    from django.core.handlers.asgi import ASGIHandler

    return ASGIHandler()


wsgi = _wsgi()
asgi = _asgi()
