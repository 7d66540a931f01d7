"""The golden set: start lines as they stand in Procfiles, units and Dockerfiles, and what becomes of them."""

from __future__ import annotations

import tomllib

import pytest

from hybrid.settings.given import Origin
from hybrid.settings.layer import from_toml
from hybrid.settings.names import BY_NAME
from hybrid.settings.resolve import read_value
from hybrid.translate import StartError, translate
from hybrid.translate.servers import TABLES

GOLDEN = [
    # gunicorn
    ("gunicorn app:app", "hybrid app:app"),
    (
        "gunicorn -w 4 -k uvicorn.workers.UvicornWorker app:app",
        "hybrid -w 4 -k asgi app:app",
    ),
    (
        "gunicorn mysite.wsgi:application --bind=0.0.0.0:8000 --workers=3 --threads 2 --timeout 120 --access-logfile -",
        "hybrid -b 0.0.0.0:8000 -w 3 --threads 2 -t 120 --access-logfile - mysite.wsgi:application",
    ),
    (
        "gunicorn -w4 -b unix:/run/a.sock -b :8000 --max-requests 1000 --max-requests-jitter 50 --preload shop.wsgi",
        "hybrid -w 4 -b unix:/run/a.sock -b :8000 --max-requests 1000 --max-requests-jitter 50 --preload shop.wsgi",
    ),
    ("gunicorn -c deploy/gunicorn.conf.py shop.wsgi", "hybrid -c deploy/gunicorn.conf.py shop.wsgi"),
    (
        "gunicorn --worker-tmp-dir /dev/shm --no-sendfile -k gevent_pywsgi --worker-connections 500 app:app",
        "hybrid --no-sendfile -k gevent --worker-connections 500 app:app",
    ),
    ("gunicorn --proxy-protocol -R -D app:app", "hybrid --proxy-protocol auto -R -D app:app"),
    ("web: gunicorn config.wsgi --log-file -", "hybrid --error-logfile - config.wsgi"),
    (
        "ExecStart=/srv/venv/bin/gunicorn --user www-data --pid /run/a.pid -m 007 app:app",
        "hybrid -u www-data -p /run/a.pid -m 007 app:app",
    ),
    ("DJANGO_SETTINGS_MODULE=a.b exec gunicorn a.wsgi", "DJANGO_SETTINGS_MODULE=a.b hybrid a.wsgi"),
    ("poetry run gunicorn 'app:create_app(\"x\")'", "poetry run hybrid 'app:create_app(\"x\")'"),
    ("python3.12 -m gunicorn app:app", "hybrid app:app"),
    # uvicorn
    ("uvicorn main:app", "hybrid --access-logfile - main:app"),
    (
        "uvicorn main:app --host 0.0.0.0 --port 80 --workers 4 --proxy-headers --no-access-log",
        "hybrid -b 0.0.0.0:80 -w 4 --proxy-headers main:app",
    ),
    (
        "uvicorn main:create --factory --uds /run/a.sock --root-path /api --timeout-keep-alive 30 --no-server-header",
        "hybrid --factory -b unix:/run/a.sock --root-path /api --keep-alive 30 --no-server-header"
        " --access-logfile - main:create",
    ),
    (
        "uvicorn main:app --reload --reload-dir src --env-file .env --log-level trace --loop zuvloop --ws wsproto",
        "hybrid --reload --reload-dir src --env-file .env --log-level trace --loop auto --access-logfile - main:app",
    ),
    (
        "uvicorn main:app --ssl-keyfile k.pem --ssl-certfile c.pem --header X-A:b --limit-max-requests 10",
        "hybrid --keyfile k.pem --certfile c.pem --header X-A:b --max-requests 10 --access-logfile - main:app",
    ),
    # others
    (
        "hypercorn asgi:main:app -b 0.0.0.0:8000 -w 2 -k uvloop --access-logfile -",
        "hybrid -b 0.0.0.0:8000 -w 2 --loop uvloop --access-logfile - main:app",
    ),
    ("hypercorn main:app --quic-bind :4433 --keep-alive 10", "hybrid --keep-alive 10 main:app"),
    (
        "granian --interface wsgi main:app --host 0.0.0.0 --port 80 --workers 2 --blocking-threads 4 --access-log",
        "hybrid -b 0.0.0.0:80 --interface wsgi -w 2 --threads 4 --access-logfile - main:app",
    ),
    (
        "granian --interface asgi --http1-header-read-timeout 5000 --workers-max-rss 512 --metrics main:app",
        "hybrid --interface asgi --header-timeout 5000ms --max-worker-memory 512M main:app",
    ),
    ("daphne -b 0.0.0.0 -p 8001 mysite.asgi:application", "hybrid -b 0.0.0.0:8001 mysite.asgi:application"),
    (
        "daphne -u /run/d.sock --proxy-headers --ping-interval 30 mysite.asgi:application",
        "hybrid -b unix:/run/d.sock --proxy-headers --ws-ping-interval 30 mysite.asgi:application",
    ),
    ("waitress-serve app:app", "hybrid -b 0.0.0.0:8080 --threads 4 app:app"),
    (
        "waitress-serve --listen=127.0.0.1:80 --threads=8 --call --url-prefix=/x app:create_app",
        "hybrid -b 127.0.0.1:80 --threads 8 --factory --root-path /x app:create_app",
    ),
    (
        "python -m waitress --port 80 --trusted-proxy 10.0.0.1"
        " --trusted-proxy-headers 'x-forwarded-for,x-forwarded-proto' a:b",
        "hybrid -b 0.0.0.0:80 --forwarded-allow-ips 10.0.0.1 --forwarded-headers for,proto --threads 4 a:b",
    ),
]


@pytest.mark.parametrize(("line", "command"), GOLDEN)
def test_a_start_line_becomes_ours(line: str, command: str) -> None:
    assert translate([line]).command == command


@pytest.mark.parametrize(("line", "command"), GOLDEN)
def test_its_toml_says_the_same(line: str, command: str) -> None:
    made = translate([line])
    document = tomllib.loads(made.toml)
    values = from_toml((key, value, Origin("file", "x")) for key, value in document.items())
    for name, items in made.settings.items():
        kind = BY_NAME[name].kind
        assert read_value(name, values[name]) == kind.parse(items if kind.is_list else items[-1])


@pytest.mark.parametrize(
    ("line", "difference"),
    [
        ("gunicorn --worker-tmp-dir /dev/shm a:b", "--worker-tmp-dir: proofs of life are in shared memory"),
        ("gunicorn a:b", "keepalive is not given: idle connections are kept for 5 s instead of 2 s"),
        (
            "gunicorn -k uvicorn.workers.UvicornWorker a:b",
            "UvicornWorker: hybrid's own worker class asgi",
        ),
        ("gunicorn a:b", "forwarded_headers is not given: X-Forwarded-For of a trusted peer also sets REMOTE_ADDR"),
        ("gunicorn -k eventlet a:b", "use -k gevent"),
        ("gunicorn --http-protocols h2,h1 a:b", "--http-protocols: HTTP/2 is not spoken"),
        ("uvicorn --ws wsproto a:b", "--ws: WebSockets are always spoken"),
        ("uvicorn a:b", "graceful_timeout is not given"),
        ("uvicorn --workers none a:b", "--workers none: left out; here it is a whole number"),
        ("hypercorn --quic-bind :4433 a:b", "HTTP/3 is not spoken"),
        ("granian --metrics a:b", "--metrics: there is no metrics endpoint"),
        ("daphne -e ssl:443 a:b", "-e: Twisted's endpoints are not known"),
        ("waitress-serve --expose-tracebacks a:b", "tracebacks go to the log only"),
        ("gunicorn --no-such 1 a:b", "--no-such: not an option of gunicorn"),
    ],
)
def test_what_differs_is_said(line: str, difference: str) -> None:
    assert any(difference in text for text in translate([line]).differences)


@pytest.mark.parametrize("line", ["gunicorn --http-protocols h1 a:b", "uvicorn --ws auto a:b", "granian --http 1 a:b"])
def test_a_value_that_changes_nothing_is_not_mentioned(line: str) -> None:
    flag = line.split()[1]
    assert not [text for text in translate([line]).differences if text.startswith(flag)]


@pytest.mark.parametrize("line", ["", "nginx -g x", "python manage.py runserver", "web:"])
def test_a_line_without_a_server_is_refused(line: str) -> None:
    with pytest.raises(StartError, match=r"expected one of gunicorn, uvicorn"):
        translate([line])


def test_words_and_a_line_are_the_same() -> None:
    assert translate(["gunicorn", "-w", "4", "a:b"]) == translate(["gunicorn -w 4 a:b"])


@pytest.mark.parametrize("server", TABLES)
def test_every_rule_leads_to_a_setting_or_says_why_not(server: str) -> None:
    table = TABLES[server]
    for flag, rule in table.rules.items():
        assert rule.to in BY_NAME or rule.to in ("host", "port") or rule.note, flag
    assert not [name for name in (*table.adds, *table.differs) if name not in BY_NAME]


def test_uvicorns_worker_is_not_said_to_differ_from_gunicorns_http() -> None:
    said = translate(["gunicorn", "-k", "uvicorn.workers.UvicornWorker", "a:b"]).differences
    assert [text.split()[0] for text in said] == ["-k", "keepalive"]
