"""`hybrid check` as a process, on real projects: what it advises, for people and for programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[2] / "examples"


def check(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HYBRID_", "DJANGO_", "WEB_"))}
    return subprocess.run(
        [sys.executable, "-m", "hybrid", "check", *args],
        cwd=folder,
        env=clean,
        capture_output=True,
        text=True,
        timeout=50,
    )


def advice(folder: Path, *args: str) -> dict[str, Any]:
    done = check(folder, "--json", *args)
    assert (done.returncode, done.stderr) == (0, "")
    document: dict[str, Any] = json.loads(done.stdout)
    return {"document": document, **{one["subject"]: one for one in document["advice"]}}


def test_one_django_project_both_ways() -> None:
    wsgi = advice(EXAMPLES / "django_project", "mysite.wsgi")
    assert "mysite.asgi:application is ASGI" in wsgi["both"]["text"]
    assert wsgi["async views"]["level"] == "gains"
    asgi = advice(EXAMPLES / "django_project", "mysite.asgi")
    assert asgi["document"]["worker_class"] == "asgi"
    assert "mysite.wsgi:application is WSGI" in asgi["both"]["text"]
    assert any(place.startswith("/hello/ guestbook.views.hello") for place in asgi["sync views"]["where"])


def test_django_that_blocks(tmp_path: Path) -> None:
    (tmp_path / "asgi.py").write_text(
        """
import time
from django.conf import settings
from django.http import HttpResponse
from django.urls import path

class Old:
    async_capable = False
    def __init__(self, get_response): self.get_response = get_response
    def __call__(self, request): return self.get_response(request)

async def view(request):
    time.sleep(1)
    return HttpResponse()

urlpatterns = [path("slow", view)]
settings.configure(
    ROOT_URLCONF=__name__, MIDDLEWARE=[__name__ + ".Old"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:", "CONN_MAX_AGE": 60}},
)
from django.core.asgi import get_asgi_application
application = get_asgi_application()
"""
    )
    found = advice(tmp_path, "asgi")
    assert found["CONN_MAX_AGE"]["level"] == "blocks"
    assert found["sync middleware"]["where"] == ["asgi.Old"]
    assert "time.sleep" in found["async views"]["text"]
    assert found["async views"]["where"][0].startswith("/slow asgi.view")


def test_for_people(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(
        "import time\nfrom fastapi import FastAPI\napp = FastAPI()\n@app.get('/x')\nasync def x():\n    time.sleep(1)\n"
    )
    done = check(tmp_path, "main")
    assert done.returncode == 0
    assert "blocks: async views: 1 async view uses time.sleep" in done.stdout
    assert "/x main.x (" in done.stdout


def test_ambiguous_application_is_refused_with_both_commands(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("def app(*args): ...\n")
    done = check(tmp_path, "main:app")
    assert (done.returncode, done.stdout) == (4, "")
    assert "hybrid --interface asgi main:app, or hybrid --interface wsgi main:app" in done.stderr
