"""The translation itself: from a start line to settings, a command, a hybrid.toml, and what differs. Pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

from hybrid.settings.entry import Entry
from hybrid.settings.kinds import Opaque
from hybrid.settings.names import BY_NAME
from hybrid.settings.worker_names import GONE, ours
from hybrid.translate.rules import Rule
from hybrid.translate.servers import TABLES
from hybrid.translate.start import Start, parse_start


@dataclass(slots=True)
class Translation:
    """What came out. `differences` are sentences, each about one option or one default."""

    server: str
    app: str = ""
    settings: dict[str, list[str]] = field(default_factory=dict)
    """As text, by name; several items for a list."""
    differences: list[str] = field(default_factory=list)
    same: set[str] = field(default_factory=set)
    """Defaults that do not differ after all, by name."""
    environment: tuple[str, ...] = ()
    wrapper: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """The command line."""
        words = [*self.environment, *self.wrapper, "hybrid"]
        for name, items in self.settings.items():
            words += [word for item in items for word in _option(BY_NAME[name], item)]
        return shlex.join([*words, self.app] if self.app else words)

    @property
    def toml(self) -> str:
        """The same as a hybrid.toml. Raises ValueError for a value that is none of its setting."""
        lines = [f"app = {json.dumps(self.app)}"] if self.app else []
        for name, items in self.settings.items():
            kind = BY_NAME[name].kind
            lines.append(f"{name} = {_literal(kind.parse(items if kind.is_list else items[-1]))}")
        return "\n".join(lines) + "\n"


def translate(words: Sequence[str]) -> Translation:
    """Translate a start line, as words or as one. Raises StartError."""
    start = parse_start(words)
    made = Translation(start.server, environment=start.environment, wrapper=start.wrapper)
    host: list[str] = []
    port: list[str] = []
    for rule, flag, value in _options(start, made):
        if rule.note and value.strip().lower() not in rule.quiet:
            made.differences.append(f"{flag}: {rule.note}")
        if rule.to == "host":
            host.append(value)
        elif rule.to == "port":
            port.append(value)
        elif rule.to == "app":
            made.app = value
        elif rule.to == "worker_class":
            _worker_class(made, flag, value)
        elif rule.to in BY_NAME:
            _set(made, flag, rule.to, value)
    if (host or port) and "bind" not in made.settings:
        default_host, default_port = ("0.0.0.0", "8080") if start.server == "waitress-serve" else ("127.0.0.1", "8000")
        name = host[-1] if host else default_host
        name = f"[{name}]" if ":" in name and not name.startswith("[") else name
        made.settings = {"bind": [f"{name}:{port[-1] if port else default_port}"], **made.settings}
    _defaults(made)
    return made


def _options(start: Start, made: Translation) -> list[tuple[Rule, str, str]]:
    """The options that were given, each with its rule and our value for it; what is no option is the application."""
    rules = TABLES[start.server].rules
    found: list[tuple[Rule, str, str]] = []
    words = list(start.arguments)
    while words:
        word = words.pop(0)
        if word == "--":
            continue
        if not word.startswith("-") or word == "-":
            made.app = made.app or _app(word)
            continue
        flag, separator, value = word.partition("=")
        if not word.startswith("--") and len(word) > 2:  # -w4
            flag, separator, value = word[:2], "=", word[2:]
        rule = rules.get(flag) or rules.get(flag.replace("_", "-"))
        if rule is None:
            made.differences.append(f"{flag}: not an option of {start.server} that is known here; left out")
            if not separator and words and not words[0].startswith("-") and len(words) > 1:
                words.pop(0)
            continue
        if rule.takes_value and not separator and words and not (rule.is_optional and words[0].startswith("-")):
            value = words.pop(0)
        if rule.convert is not None:
            value = rule.convert(value)
        found.append((rule, flag, rule.value if not rule.takes_value or (rule.is_optional and not value) else value))
    return found


def _app(word: str) -> str:
    """hypercorn puts the interface in front of the application."""
    for prefix in ("asgi:", "wsgi:", "file:"):
        word = word.removeprefix(prefix)
    return word


def _worker_class(made: Translation, flag: str, value: str) -> None:
    if value in GONE:
        made.differences.append(f"{flag} {value}: {GONE[value]}")
        return
    same = ours(value)
    if same is not None:
        made.differences.append(f"{flag} {value}: hybrid's own worker class {same.name}")
        if same.http:
            made.settings["http"] = [same.http]
    if "uvicorn" in value:  # which speaks HTTP itself, and has neither gunicorn's limits nor its idea of a client
        made.same |= {"forwarded_headers", "limit_request_line"}
    made.settings["worker_class"] = [same.name if same is not None else value]


def _set(made: Translation, flag: str, name: str, value: str) -> None:
    entry = BY_NAME[name]
    try:
        entry.kind.parse(value)
    except (ValueError, TypeError, OverflowError):
        made.differences.append(f"{flag} {value}: left out; here it is {entry.kind.expected}")
        return
    if entry.kind.is_list:
        made.settings.setdefault(name, []).append(value)
    else:
        made.settings[name] = [value]


def _defaults(made: Translation) -> None:
    table = TABLES[made.server]
    for name, value in table.adds.items():
        made.settings.setdefault(name, [value])
    if made.settings.get("accesslog") == [""]:
        del made.settings["accesslog"]
    missing = {name: text for name, text in table.differs.items() if name not in {*made.settings, *made.same}}
    made.differences += [f"{name} is not given: {text}" for name, text in missing.items()]


def _option(entry: Entry, value: str) -> list[str]:
    """The words that give this setting this value. A value that could be left out is not: the application follows."""
    short = next((flag for flag in entry.flags if not flag.startswith("--")), entry.flag)
    pair = next((flag for flag in entry.flags if "/" in flag), "")
    if not pair:
        return [short, value]
    return [short if entry.kind.parse(value) else pair.partition("/")[2]]


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return "[" + ", ".join(json.dumps(item, ensure_ascii=False) for item in value) + "]"
    if isinstance(value, Opaque):
        return "{}"
    return json.dumps(value, ensure_ascii=False)
