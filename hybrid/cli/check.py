"""`hybrid check APP`: load settings and application as a worker would, and say what was found."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import platform
import sys
import textwrap

import click

import hybrid
from hybrid.advice import Advice, advise
from hybrid.advice.gather import gather
from hybrid.cli.command import SettingsCommand, enter_folder, require_app
from hybrid.cli.options import parse_command_line
from hybrid.contract import loader, registry
from hybrid.contract.interface import Detected, choose_worker, interface_of
from hybrid.errors import AppLoadError
from hybrid.http1 import head
from hybrid.settings import Settings, resolve

NEED_NOTHING = ("sync", "gthread", "asgi")
"""Worker classes that no optional package can make unusable, so that importing them would prove nothing."""


def check(values: dict[str, object], *, as_json: bool) -> int:
    """Print what was found and what follows from it; the exit code. Raises SettingsError or AppLoadError."""
    resolved = resolve(values, parse=parse_command_line)
    for warning in resolved.warnings:
        click.echo(f"hybrid: warning: {warning}", err=True)
    for note in resolved.notes:
        click.echo(f"hybrid: {note}", err=True)
    if resolved.settings.pools or resolved.settings.routes:
        from hybrid.cli.check_pools import check_pools

        return check_pools(resolved.settings, one, as_json=as_json)
    found = one(resolved.settings)
    click.echo(json.dumps(found.document, indent=2) if as_json else "\n".join(found.lines))
    return 0


@dataclasses.dataclass(frozen=True, slots=True)
class Checked:
    """What there is to say of one application, for programs and for people."""

    document: dict[str, object]
    lines: list[str]


def one(settings: Settings) -> Checked:
    """Load one application. Raises SettingsError or AppLoadError."""
    fitted = fit(settings)
    compile_rules(settings)
    found, advice = findings(settings, fitted), advice_on(settings, fitted)
    rows = [f"{name + ':':<14}{text}" for name, text in found]
    return Checked(document(fitted, found, advice), [*rows, *advice_lines(advice)])


def advice_on(settings: Settings, fitted: Fitted) -> list[Advice]:
    """What the application should know before it runs on this worker class, or moves to the other interface."""
    return advise(gather(settings, fitted.app, is_asgi=fitted.detected.is_asgi, worker_class=fitted.worker_class))


def advice_lines(advice: list[Advice]) -> list[str]:
    """For people: a block for each, the places indented."""
    lines = [""] if advice else []
    for one in advice:
        head = f"{one.level + ':':<8}{one.subject}: {one.text}"
        lines += textwrap.wrap(head, 110, subsequent_indent=" " * 8, break_long_words=False, break_on_hyphens=False)
        lines += [" " * 10 + place for place in one.where]
    return lines


def document(fitted: Fitted, found: list[tuple[str, str]], advice: list[Advice]) -> dict[str, object]:
    """The same for programs."""
    return {
        **{name.replace(" ", "_"): text for name, text in found},
        "interface": fitted.detected.interface,
        "reason": fitted.detected.reason,
        "worker_class": fitted.worker_class,
        "worker_class_reason": fitted.why,
        "advice": [dataclasses.asdict(one) for one in advice],
    }


def findings(settings: Settings, fitted: Fitted) -> list[tuple[str, str]]:
    """What loading the application has shown, as pairs for printing."""
    detected, worker_class, why = fitted.detected, fitted.worker_class, fitted.why
    found = [
        ("application", settings.app),
        ("interface", f"{detected.interface}: {detected.reason}"),
        ("worker class", f"{worker_class}: {why}"),
        (
            "workers",
            str(settings.workers) + (f", {settings.threads} threads each" if worker_class == "gthread" else ""),
        ),
        ("python", f"{platform.python_implementation()} {platform.python_version()} ({sys.executable})"),
        ("parser", _chosen(settings.http, "httptools", "h11")),
    ]
    if worker_class == "asgi":
        found.insert(5, ("loop", _chosen(settings.loop, "uvloop", "asyncio")))
    return [*found, ("hybrid", f"{hybrid.__version__} ({_build()})")]


def _build() -> str:
    """Whether the modules that every request runs through are compiled: see docs/decisions/016-compiled-build.md."""
    source = head.__file__
    return "pure Python" if source.endswith(".py") else "compiled"


@dataclasses.dataclass(frozen=True, slots=True)
class Fitted:
    """The application with its interface, the worker class for it, and why that one."""

    app: object
    detected: Detected
    worker_class: str
    why: str


def fit(settings: Settings) -> Fitted:
    """Load the application and choose its worker class. Runs its code. Raises SettingsError or AppLoadError."""
    app = load(settings)
    detected = interface_of(settings, app)
    worker_class, why = choose_worker(settings, detected)
    if worker_class not in NEED_NOTHING:
        registry.load(worker_class)
    return Fitted(app, detected, worker_class, why)


def compile_rules(settings: Settings) -> None:
    """Make what a worker makes of lists and files when it boots. Raises SettingsError where it could not.

    --check-config does not: as in gunicorn, it is run where the certificates need not be.
    """
    from hybrid.contract.tls import tls_context
    from hybrid.http.proxies import ProxyRules
    from hybrid.http.trust import TrustedPeers

    ProxyRules(settings, lambda line: None)
    TrustedPeers(settings.proxy_allow_ips, setting="--proxy-allow-from")
    tls_context(settings)


def load(settings: Settings) -> object:
    """The application, imported as in a worker: folder, environment, import path. Prints its traceback if it raises."""
    require_app(settings)
    enter_folder(settings)
    os.environ.update((name, value) for name, _, value in (pair.partition("=") for pair in settings.raw_env))
    loader.prepare_import_path(settings)
    try:
        return loader.load_app(settings)
    except AppLoadError as error:
        click.echo(loader.app_traceback(error), nl=False, err=True)
        raise


def _chosen(setting: str, first: str, fallback: str) -> str:
    """Which of two libraries an "auto" takes, with its version."""
    name = setting if setting != "auto" else first if importlib.util.find_spec(first) else fallback
    why = "asked for" if setting != "auto" else "auto" if name == first else f"auto; {first} is not installed"
    version = ""
    if name not in sys.stdlib_module_names:
        from importlib.metadata import PackageNotFoundError
        from importlib.metadata import version as version_of

        try:
            version = f" {version_of(name)}"
        except PackageNotFoundError:
            version = " (not installed)"
    return f"{name}{version} ({why})"


def check_config(values: dict[str, object], *, is_printed: bool) -> int:
    """What --check-config and --print-config do; the exit code: 0 or, whatever is wrong, 1, as in gunicorn."""
    resolved = resolve(values, parse=parse_command_line)
    if is_printed:
        from hybrid.cli.config import shown
        from hybrid.settings import TABLE

        for name in sorted(entry.name for entry in TABLE):
            click.echo(f"{name:<34} = {shown(name, getattr(resolved.settings, name))}")
    try:
        if resolved.settings.pools or resolved.settings.routes:
            from hybrid.cli.check_pools import fit_pools

            return fit_pools(resolved.settings, fit)
        fit(resolved.settings)
    except AppLoadError as error:
        click.echo(f"hybrid: error: {error}", err=True)
        return 1
    return 0


command = SettingsCommand(
    "check",
    check,
    "Load settings and application, say what was found and what blocks or gains, exit.",
    "check [OPTIONS] APP",
    own=[click.Option(["--json", "as_json"], is_flag=True, help="Print it as JSON.")],
)
