"""The logs through Python's logging: who gets the records, and what they carry."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hybrid.errors import SettingsError
from hybrid.logs.logger import Logger, ObjectAccess
from hybrid.logs.plan import Plan
from hybrid.logs.stdlib import Atoms, LoggerAccess, Relay, apply, atoms_of, over_defaults
from hybrid.logs.syslog import parse_address
from hybrid.logs.views import RequestView, ResponseView, environ_of


@dataclass
class Asked:
    method: str = "GET"
    target: bytes = b"/a?b=1"
    path: bytes = b"/a"
    query: bytes = b"b=1"
    version: int = 1
    headers: list[tuple[bytes, bytes]] = field(default_factory=lambda: [(b"user-agent", b'a "q"')])


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture(autouse=True)
def _loggers_as_before() -> Iterator[None]:
    names = ["", *(f"{family}.{kind}" for family in ("gunicorn", "uvicorn") for kind in ("error", "access")), "uvicorn"]
    before = [
        (logger, list(logger.handlers), logger.level, logger.propagate) for logger in map(logging.getLogger, names)
    ]
    yield
    for logger, handlers, level, propagate in before:
        logger.handlers[:], logger.level, logger.propagate = handlers, level, propagate


def kept(name: str) -> list[logging.LogRecord]:
    logger = logging.getLogger(name)
    handler = Kept()
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
    return handler.records


def test_gunicorns_logger_gets_the_atoms_as_the_arguments() -> None:
    records = kept("gunicorn.access")
    access = LoggerAccess(logging.getLogger("gunicorn.access"), '%(h)s %(s)s "%(a)s" %({X-A}o)s %({no}e)s %(nothing)s')
    access.log(Asked(), 200, 7, 0.25, "1.2.3.4", [(b"x-a", b"y")], {})
    assert records[0].getMessage() == '1.2.3.4 200 "a \\"q\\"" y - -'
    assert isinstance(records[0].args, dict)
    assert records[0].args["D"] == 250000


def test_uvicorns_logger_gets_its_five_values() -> None:
    records = kept("uvicorn.access")
    LoggerAccess(logging.getLogger("uvicorn.access"), "").log(Asked(), 404, 0, 0.1, "1.2.3.4")
    assert records[0].args == ("1.2.3.4", "GET", "/a?b=1", "1.1", 404)
    assert records[0].getMessage() == '1.2.3.4 - "GET /a?b=1 HTTP/1.1" 404'


def test_all_nineteen_atoms_have_a_value() -> None:
    atoms = atoms_of(Asked(), 200, 7, 1.5, "", [], {"A": 1})
    assert {name for name in atoms if len(name) == 1} == set("hlutrmUqHsBbfaTMDLp")
    assert (atoms["h"], atoms["T"], atoms["M"], atoms["L"], atoms["{a}e"]) == ("-", 1, 1500, "1.500000", 1)
    assert Atoms(atoms)["{User-Agent}i"] == 'a \\"q\\"'


def test_relay_hands_on_under_the_other_name_and_by_its_level() -> None:
    records = kept("gunicorn.error")
    logger = logging.Logger("hybrid.error")
    logger.addHandler(Relay(logging.getLogger("gunicorn.error")))
    logger.debug("no")
    logger.info("yes %d", 1)
    assert [(record.name, record.getMessage()) for record in records] == [("gunicorn.error", "yes 1")]


@pytest.mark.parametrize(
    ("loggers", "expected"),
    [
        ({"gunicorn.error": {}, "gunicorn.access": {}}, ("gunicorn.error", "gunicorn.access")),
        ({"uvicorn": {}}, ("uvicorn.error", "uvicorn.access")),
        ({"hybrid.access": {}, "gunicorn.error": {}}, ("gunicorn.error", "hybrid.access")),
        ({"django": {}}, ("", "")),
    ],
)
def test_the_loggers_that_a_configuration_names_get_the_records(
    loggers: dict[str, object], expected: tuple[str, str]
) -> None:
    assert apply(Plan(logconfig_dict={"version": 1, "loggers": loggers})) == expected


def test_a_dictionary_may_leave_out_what_gunicorn_defines() -> None:
    assert apply(Plan(logconfig_dict={"formatters": {"generic": {"format": "%(message)s"}}})) == (
        "gunicorn.error",
        "gunicorn.access",
    )
    assert "root" not in over_defaults({"version": 1, "handlers": {}})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("log.json", '{"version": 1, "loggers": {"gunicorn.error": {}}}'),
        ("log.toml", "version = 1\n[loggers.'gunicorn.error']\n"),
        (
            "log.ini",
            "[loggers]\nkeys=root,e\n[handlers]\nkeys=\n[formatters]\nkeys=\n[logger_root]\nhandlers=\n"
            "[logger_e]\nqualname=gunicorn.error\nhandlers=\n",
        ),
    ],
)
def test_a_file_may_have_several_forms(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert apply(Plan(logconfig=str(path)))[0] == "gunicorn.error"


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (Plan(logconfig="/no/such.ini"), "setting logconfig: cannot read /no/such.ini: no such file"),
        (Plan(logconfig_dict={"version": 3}), "setting logconfig_dict: ValueError"),
        (Plan(logconfig_dict={"handlers": {"a": {"class": "no.Such"}}}), "no"),
    ],
)
def test_a_bad_configuration_is_named(plan: Plan, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        apply(plan)


def test_old_servers_names_can_be_used_without_them() -> None:
    formatters = {
        "a": {"()": "uvicorn.logging.AccessFormatter", "fmt": "%(client_addr)s|%(request_line)s|%(status_code)s"}
    }
    handlers = {"a": {"class": "logging.NullHandler", "formatter": "a"}}
    config = {"formatters": formatters, "handlers": handlers, "loggers": {"uvicorn.access": {"handlers": ["a"]}}}
    assert apply(Plan(logconfig_dict=config))[1] == "uvicorn.access"
    formatter = logging.getLogger("uvicorn.access").handlers[0].formatter
    assert formatter is not None
    record = logging.makeLogRecord({"msg": "%s%s%s%s%s", "args": ("1.2.3.4", "GET", "/", "1.1", 200)})
    assert formatter.format(record) == "1.2.3.4|GET / HTTP/1.1|200"


class Config:
    loglevel = "info"
    errorlog = "-"
    accesslog = None
    access_log_format = "%(h)s %(r)s %(s)s %(B)s"


def test_a_logger_class_is_called_with_request_response_and_environ() -> None:
    seen: list[tuple[object, ...]] = []

    class Mine(Logger):
        def access(self, resp: ResponseView, req: RequestView, environ: object, request_time: object) -> None:
            seen.append((resp.status, req.uri, req.headers, request_time))
            super().access(resp, req, environ, request_time)  # type: ignore[arg-type]

    logger = Mine(Config())
    records = kept("gunicorn.access")
    ObjectAccess(logger).log(Asked(), 404, 3, 0.5, "1.2.3.4", [])
    assert seen[0][:3] == ("404 Not Found", "/a?b=1", [("USER-AGENT", 'a "q"')])
    assert records[0].getMessage() == "1.2.3.4 GET /a?b=1 HTTP/1.1 404 3"


def test_an_asgi_request_gets_the_variables_that_access_logs_read() -> None:
    environ = environ_of(Asked(), "1.2.3.4")
    assert (environ["RAW_URI"], environ["REMOTE_ADDR"], environ["HTTP_USER_AGENT"]) == ("/a?b=1", "1.2.3.4", 'a "q"')


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("udp://localhost:514", ("localhost", 514)),
        ("udp://loghost", ("loghost", 514)),
        ("unix:///dev/log", "/dev/log"),
        ("unix:///dev/log#stream", "/dev/log"),
    ],
)
def test_syslog_addresses(text: str, address: object) -> None:
    assert parse_address(text)[0] == address


def test_a_bad_syslog_address_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"syslog_addr: found 'localhost', expected udp://"):
        parse_address("localhost")
