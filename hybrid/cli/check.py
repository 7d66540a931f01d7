"""`hybrid check APP`: load settings and application as a worker would, and say what was found."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys

import click

import hybrid
from hybrid.cli.command import SettingsCommand, enter_folder, require_app
from hybrid.cli.options import parse_command_line
from hybrid.contract import loader, registry
from hybrid.contract.interface import Detected, choose_worker, interface_of
from hybrid.errors import AppLoadError
from hybrid.settings import Settings, resolve

NEED_NOTHING = ("sync", "gthread", "asgi")
"""Worker classes that no optional package can make unusable, so that importing them would prove nothing."""


def check(values: dict[str, object]) -> int:
    """Print what was found; the exit code. Raises SettingsError or AppLoadError."""
    resolved = resolve(values, parse=parse_command_line)
    for warning in resolved.warnings:
        click.echo(f"hybrid: warning: {warning}", err=True)
    for note in resolved.notes:
        click.echo(f"hybrid: {note}", err=True)
    for name, text in findings(resolved.settings):
        click.echo(f"{name + ':':<14}{text}")
    return 0


def findings(settings: Settings) -> list[tuple[str, str]]:
    """What loading the application shows, as pairs for printing. Runs the application's code."""
    detected, worker_class, why = fit(settings)
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
    return [*found, ("hybrid", hybrid.__version__)]


def fit(settings: Settings) -> tuple[Detected, str, str]:
    """The application's interface, the worker class for it, and why that one. Raises SettingsError or AppLoadError."""
    detected = interface_of(settings, load(settings))
    worker_class, why = choose_worker(settings, detected)
    if worker_class not in NEED_NOTHING:
        registry.load(worker_class)
    return detected, worker_class, why


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
        fit(resolved.settings)
    except AppLoadError as error:
        click.echo(f"hybrid: error: {error}", err=True)
        return 1
    return 0


command = SettingsCommand(
    "check", check, "Load settings and application, say what was found, exit.", "check [OPTIONS] APP"
)
