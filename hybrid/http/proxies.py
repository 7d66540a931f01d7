"""What of a request is believed to come from a proxy: one function for every worker, `introduce()`.

A request without forwarded fields costs four assignments. The rest applies to peers in
--forwarded-allow-ips only; what others say is left among the headers and changes nothing.

The client's own X-Forwarded-Host passes through a proxy that does not set the field, as nginx does
unless told. So what is not universally set by proxies (host, port, prefix) is believed only when named in
--forwarded-headers; and RFC 7239's Forwarded counts only where no X-Forwarded field speaks of the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import unquote

from hybrid.errors import ProtocolError, SettingsError
from hybrid.http.authority import is_authority, with_port
from hybrid.http.fieldmap import map_underscored
from hybrid.http.forwarded import at_depth, find_client, parse_forwarded, split_list
from hybrid.http.names import Field, meaning_of
from hybrid.http.peer import Peer
from hybrid.http.request import Request
from hybrid.http.trust import TrustedPeers

if TYPE_CHECKING:
    from hybrid.settings import Settings

_BELIEVED = "for,proto"
"""What --forwarded-headers means where nobody gave it: what every proxy sets, if it sets any."""
_BELIEVABLE = frozenset({"for", "proto", "host", "port", "prefix"})
_MOST_NOTICES = 16


def introduce(request: Request, peer: Peer, rules: ProxyRules) -> None:
    """Fill in what the head does not say: client, server, scheme, root_path. Raises ProtocolError(400).

    Call once for each request, before anything looks at these or at the headers.
    """
    request.client = peer.client
    request.server = peer.server
    request.scheme = peer.scheme
    request.root_path = rules.root_path
    if request.forwarded or request.underscored is not None or rules.has_own_fields:
        rules.apply(request, peer)


class ProxyRules:
    """The settings of the subject, compiled; one per worker. `say` takes a line for the log, each said once.

    `note` is told when a proxy's word for the client's address is taken though nobody asked for that: who comes
    from a WSGI server did not have it there. uvicorn does the same, so that nobody needs to tell its users.
    """

    def __init__(
        self, settings: Settings, say: Callable[[str], None], note: Callable[[str], None] | None = None
    ) -> None:
        self.root_path = settings.root_path
        self.trusted = TrustedPeers(settings.forwarded_allow_ips)
        self._header_map = settings.header_map
        self._forwarder_headers = frozenset(_words(settings.forwarder_headers))
        self._is_used = settings.proxy_headers
        self._believed = {word.decode() for word in _words(settings.forwarded_headers or _BELIEVED)}
        if unknown := self._believed - _BELIEVABLE:
            raise SettingsError(
                f"--forwarded-headers: {', '.join(sorted(unknown))} is not known; expected some of for, proto, host,"
                " port, prefix"
            )
        self._schemes = dict(_scheme_claim(pair) for pair in settings.secure_scheme_headers)
        self.has_own_fields = any(meaning_of(name) != Field.FORWARDED for name in self._schemes)
        """Some field of --secure-scheme-headers is not marked by the parser, so every request must be looked at."""
        self._say = say
        self._said: set[str] = set()
        self._note = None if settings.forwarded_headers else note

    def meet(self, client: tuple[str, int] | None, server: tuple[str, int | None], scheme: str = "http") -> Peer:
        """The Peer of a connection just accepted. `client` is None on a unix socket."""
        is_trusted = self._is_used and self.trusted.includes(client[0] if client else None)
        return Peer(client=client, server=server, scheme=scheme, is_trusted=is_trusted)

    def apply(self, request: Request, peer: Peer) -> None:
        if request.underscored is not None:
            map_underscored(request, self._header_map, self._forwarder_headers if peer.is_trusted else ())
        if not peer.is_trusted:
            if request.forwarded and self._is_used:
                host = peer.client[0] if peer.client else "unix"
                self._notice(
                    f"forwarded header ignored from untrusted peer {host}; if that is your proxy, add it to"
                    " --forwarded-allow-ips"
                )
            return
        request.forwarded = True  # also where only SCRIPT_NAME or a field of the operator's says something
        fields = _Fields(request, self._schemes)
        if fields.script_name and b"script_name" in self._forwarder_headers:
            request.root_path = _prefix(fields.script_name)
        if b"x-forwarded-for" in fields.seen or fields.schemes or b"x-forwarded-host" in fields.seen:
            self._x_forwarded(request, peer, fields)
        elif b"forwarded" in fields.seen:
            self._forwarded(request, peer, fields.seen[b"forwarded"])
        self._x_mount(request, fields)

    def _x_forwarded(self, request: Request, peer: Peer, fields: _Fields) -> None:
        believed = self._believed
        depth = 0
        if b"x-forwarded-for" in fields.seen:
            client, depth = find_client(split_list(fields.seen[b"x-forwarded-for"]), self.trusted.includes)
            if client is not None and "for" in believed:
                request.client = client
                if self._note is not None:
                    self._tell_client(peer)
        if fields.schemes and "proto" in believed:
            claims = {self._scheme(name, at_depth(split_list(value), depth).lower()) for name, value in fields.schemes}
            if len(claims) > 1:
                raise ProtocolError(400, "contradictory scheme header fields")
            request.scheme = claims.pop()
        if b"x-forwarded-host" in fields.seen:
            self._host(request, at_depth(split_list(fields.seen[b"x-forwarded-host"]), depth), "X-Forwarded-Host")

    def _forwarded(self, request: Request, peer: Peer, value: bytes) -> None:
        hops = parse_forwarded(value)
        if not hops:
            return
        client, depth = find_client([hop.client for hop in hops], self.trusted.includes)
        hop = hops[max(len(hops) - 1 - depth, 0)]
        if client is not None and "for" in self._believed:
            request.client = client
            if self._note is not None:
                self._tell_client(peer)
        if hop.proto and "proto" in self._believed:
            request.scheme = "https" if hop.proto.lower() in ("https", "wss") else "http"
        if hop.host:
            self._host(request, hop.host, "the host of Forwarded")

    def _scheme(self, name: bytes, claim: str) -> str:
        secure = self._schemes[name]
        return "https" if claim == secure or (claim == "wss" and secure == "https") else "http"

    def _host(self, request: Request, text: str, field: str) -> None:
        if "host" not in self._believed:
            self._notice(f"{field} is not used: name host in --forwarded-headers if your proxy always sets it")
            return
        host = text.encode("latin-1")
        if not is_authority(host):
            raise ProtocolError(400, "malformed forwarded host")
        _set_host(request, host)

    def _x_mount(self, request: Request, fields: _Fields) -> None:
        """Port and prefix: under which address the proxy publishes the application."""
        if "port" in self._believed and b"x-forwarded-port" in fields.seen:
            port = split_list(fields.seen[b"x-forwarded-port"])[-1]
            if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) <= 65535):
                raise ProtocolError(400, "malformed X-Forwarded-Port")
            if request.server is not None:
                request.server = (request.server[0], int(port))
            if request.host:
                _set_host(request, with_port(request.host, int(port), request.scheme))
        if "prefix" in self._believed and b"x-forwarded-prefix" in fields.seen:
            request.root_path = _prefix(split_list(fields.seen[b"x-forwarded-prefix"])[-1].encode("latin-1"))

    def _tell_client(self, peer: Peer) -> None:
        note, self._note = self._note, None
        if note is not None:
            note(
                f"The proxy {peer.client[0] if peer.client else 'on the unix socket'} names the client, which is then"
                " REMOTE_ADDR and in the access log. gunicorn keeps to the proxy's address: --forwarded-headers proto"
                " does so, --forwarded-headers for,proto takes the client's without this line"
            )

    def _notice(self, line: str) -> None:
        if line not in self._said and len(self._said) < _MOST_NOTICES:
            self._said.add(line)
            self._say(line)


class _Fields:
    """The fields of one request that speak for a proxy; repeated ones joined as the list they are."""

    __slots__ = ("schemes", "script_name", "seen")

    def __init__(self, request: Request, schemes: dict[bytes, str]) -> None:
        self.seen: dict[bytes, bytes] = {}
        self.schemes: list[tuple[bytes, bytes]] = []
        """Not joined: two lines that differ contradict each other."""
        self.script_name = b""
        for name, value in request.headers:
            if name in schemes:
                self.schemes.append((name, value))
            elif name[:11] == b"x-forwarded" or name == b"forwarded":
                self.seen[name] = self.seen[name] + b"," + value if name in self.seen else value
            elif name == b"script_name":
                self.script_name = value


def _set_host(request: Request, host: bytes) -> None:
    """The Host field goes with it, as applications build their links from that one."""
    request.host = host
    request.headers = [(b"host", host), *(line for line in request.headers if line[0] != b"host")]


def _prefix(value: bytes) -> str:
    prefix = unquote(value.decode("latin-1")).rstrip("/")
    if prefix and (prefix[0] != "/" or not prefix.isprintable()):
        raise ProtocolError(400, "malformed prefix from the proxy; expected a path that begins with /")
    return prefix


def _words(text: str) -> list[bytes]:
    return [word.strip().lower().encode() for word in text.split(",") if word.strip()]


def _scheme_claim(pair: str) -> tuple[bytes, str]:
    name, _, value = pair.partition("=")
    return name.strip().lower().encode(), value.strip().lower()
