"""Which peers are believed: a list of addresses, networks and words, asked once a connection."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from hybrid.errors import SettingsError

_PRIVATE = (
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
    "::1/128", "fc00::/7", "fe80::/10",
)  # fmt: skip
_MOST = 4096


class TrustedPeers:
    """From text such as "127.0.0.1, 10.0.0.0/8, unix". Words: `private`, `unix`, `*` (everyone).

    Raises SettingsError for an item that is none of these; `setting` is how the message names the list.
    """

    def __init__(self, text: str, *, setting: str = "--forwarded-allow-ips") -> None:
        items = [item.strip() for item in text.split(",") if item.strip()]
        self.everyone = "*" in items
        self._unix = self.everyone or "unix" in items
        self._networks: list[IPv4Network | IPv6Network] = []
        self._seen: dict[str, bool] = {}
        for item in items:
            if item in ("*", "unix"):
                continue
            for network in _PRIVATE if item == "private" else (item,):
                try:
                    self._networks.append(ip_network(network))
                except ValueError as error:
                    raise SettingsError(
                        f"{setting}: {item!r} is not a peer ({error}); expected an address, a network such as"
                        " 10.0.0.0/8, or one of private, unix, *"
                    ) from None

    def includes(self, host: str | None) -> bool:
        """Whether the peer at this address is believed; None is the other end of a unix socket."""
        if host is None:
            return self._unix
        if self.everyone:
            return True
        try:
            return self._seen[host]
        except KeyError:
            found = self._find(host)
            if len(self._seen) < _MOST:
                self._seen[host] = found
            return found

    def _find(self, host: str) -> bool:
        try:
            address = ip_address(host.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped  # how a dual-stack socket shows an IPv4 peer
        return any(address.version == network.version and address in network for network in self._networks)
