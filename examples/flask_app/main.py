"""A small Flask application, made by a factory: pages, a form, a cookie session, an upload, a stream."""

from __future__ import annotations

import hashlib
import io
import os
import time
from collections.abc import Iterator

from flask import Flask, Response, redirect, render_template_string, request, send_file, session, url_for

BLOCK = bytes(range(256)) * 256  # 64 KiB

PAGE = """<!doctype html><title>{{ title }}</title><h1>{{ title }}</h1>
<p>{{ visits }} visits, signed in as {{ name or "nobody" }}</p>
<form method="post" action="{{ url_for('sign_in') }}"><input name="name"><button>Sign in</button></form>"""


def create_app(title: str = "Flask example", debug: bool = False) -> Flask:
    """The application factory: `hybrid 'main:create_app("Shop")'`."""
    app = Flask(__name__)
    app.config.update(SECRET_KEY="only for the example", DEBUG=debug)

    @app.get("/")
    def index() -> str:
        session["visits"] = session.get("visits", 0) + 1
        return render_template_string(PAGE, title=title, visits=session["visits"], name=session.get("name"))

    @app.post("/sign-in")
    def sign_in() -> Response:
        session["name"] = request.form["name"]
        return redirect(url_for("index"))  # type: ignore[return-value]

    @app.get("/hello")
    def hello() -> Response:
        return Response("Hello, World!", mimetype="text/plain")

    @app.get("/process")
    def process() -> dict[str, int]:
        return {"pid": os.getpid()}

    @app.route("/upload", methods=["PUT", "POST"])
    def upload() -> dict[str, object]:
        """The raw body, read as it arrives."""
        digest = hashlib.sha256()
        size = 0
        while block := request.stream.read(1 << 20):
            digest.update(block)
            size += len(block)
        return {"size": size, "sha256": digest.hexdigest()}

    @app.post("/form")
    def form() -> dict[str, object]:
        attachment = request.files["attachment"]
        body = attachment.read()
        return {
            "title": request.form["title"],
            "filename": attachment.filename,
            "size": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
        }

    @app.get("/download")
    def download() -> Response:
        size = request.args.get("size", 50 * 1024 * 1024, type=int)

        def blocks() -> Iterator[bytes]:
            for start in range(0, size, len(BLOCK)):
                yield BLOCK[: size - start]

        return Response(blocks(), mimetype="application/octet-stream")

    @app.get("/source")
    def source() -> Response:
        """A real file, through `wsgi.file_wrapper`."""
        return send_file(__file__, mimetype="text/x-python")

    @app.get("/memory-file")
    def memory_file() -> Response:
        """Something with read() and no file descriptor, through `wsgi.file_wrapper`."""
        return send_file(io.BytesIO(BLOCK), mimetype="application/octet-stream")

    @app.get("/slow")
    def slow() -> dict[str, float | int]:
        seconds = min(60.0, request.args.get("seconds", 1.0, type=float))
        time.sleep(seconds)
        return {"slept": seconds, "pid": os.getpid()}

    @app.get("/error")
    def error() -> str:
        raise RuntimeError("this view fails on purpose")

    return app


app = create_app()
