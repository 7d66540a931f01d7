"""The pages: a form with a database behind it, a session, uploads, downloads, and one async view."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from django import forms
from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from guestbook.models import Entry

BLOCK = bytes(range(256)) * 256  # 64 KiB


class EntryForm(forms.ModelForm):
    class Meta:
        model = Entry
        fields = ["name", "message"]


class UploadForm(forms.Form):
    title = forms.CharField(max_length=80)
    attachment = forms.FileField()


def guestbook(request: HttpRequest) -> HttpResponse:
    form = EntryForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.save()
        return redirect("guestbook")
    return render(request, "guestbook/index.html", {"form": form, "entries": Entry.objects.all()[:50]})


@require_safe
def hello(request: HttpRequest) -> HttpResponse:
    return HttpResponse("Hello, World!", content_type="text/plain")


@require_safe
def process(request: HttpRequest) -> JsonResponse:
    """Which worker answered, and through which interface."""
    interface = "asgi" if isinstance(request, ASGIRequest) else "wsgi"
    return JsonResponse({"pid": os.getpid(), "interface": interface})


@require_safe
def visits(request: HttpRequest) -> JsonResponse:
    visits = request.session.get("visits", 0) + 1
    if "X-Hybrid-Shadow" not in request.headers:  # a copy, whose answer nobody sees, is no visit
        request.session["visits"] = visits
    return JsonResponse({"visits": visits})


@csrf_exempt
def upload(request: HttpRequest) -> JsonResponse:
    """The raw body, read as it arrives and never held."""
    digest = hashlib.sha256()
    size = 0
    while block := request.read(1 << 20):
        digest.update(block)
        size += len(block)
    return JsonResponse({"size": size, "sha256": digest.hexdigest()})


@csrf_exempt
@require_POST
def form_upload(request: HttpRequest) -> JsonResponse:
    form = UploadForm(request.POST, request.FILES)
    if not form.is_valid():
        return JsonResponse({"errors": form.errors}, status=400)
    attachment = form.cleaned_data["attachment"]
    digest = hashlib.sha256()
    for block in attachment.chunks():
        digest.update(block)
    return JsonResponse(
        {
            "title": form.cleaned_data["title"],
            "filename": attachment.name,
            "size": attachment.size,
            "sha256": digest.hexdigest(),
        }
    )


def _size(request: HttpRequest) -> int:
    return int(request.GET.get("size", 50 * 1024 * 1024))


def _blocks(size: int) -> Iterator[bytes]:
    for start in range(0, size, len(BLOCK)):
        yield BLOCK[: size - start]


async def _async_blocks(size: int) -> AsyncIterator[bytes]:
    for block in _blocks(size):
        yield block


@require_safe
def download_stream(request: HttpRequest) -> StreamingHttpResponse:
    # Under ASGI, Django reads a plain iterator to its end before it sends the first byte.
    blocks = _async_blocks if isinstance(request, ASGIRequest) else _blocks
    return StreamingHttpResponse(blocks(_size(request)), content_type="application/octet-stream")


@require_safe
def download_file(request: HttpRequest) -> FileResponse:
    return FileResponse(_generated_file(_size(request)).open("rb"), as_attachment=True)


def _generated_file(size: int) -> Path:
    """A file of this size; made on first use, and whole for whoever opens it meanwhile."""
    path = Path(settings.MEDIA_ROOT) / f"download-{size}.bin"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}")
        with partial.open("wb") as file:
            file.writelines(_blocks(size))
        partial.replace(path)
    return path


async def async_view(request: HttpRequest) -> JsonResponse:
    await asyncio.sleep(0.01)
    return JsonResponse({"entries": await Entry.objects.acount()})


@require_safe
def slow(request: HttpRequest) -> JsonResponse:
    seconds = min(60.0, float(request.GET.get("seconds", 1)))
    time.sleep(seconds)
    return JsonResponse({"slept": seconds, "pid": os.getpid()})


def error(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("this view fails on purpose")
