"""Addresses that may be connected to: a name may lead anywhere, and elsewhere a moment later (DNS rebinding).

So the address is judged, not the name, and the very address that was judged is connected to.
"""

from __future__ import annotations

import ipaddress
import socket

from waste_edge.device.sinks.sink import SinkError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
_MOST_TRIED = 4  # of the addresses that a name has


def connect_checked(host: str, port: int, timeout_s: float, allow_private: bool) -> socket.socket:
    """A connection to one of the addresses that a host has now.

    Raises:
        SinkError: it has none, or only such as may not be connected to.
        OSError: none of them answers.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise SinkError(f"{host}: no address found ({why.lower()}); check url and the network") from error
    failure: OSError | None = None
    for family, kind, protocol, _, address in found[:_MOST_TRIED]:
        if not allow_private:
            refuse_private(host, str(address[0]))
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(timeout_s)
            connection.connect(address)
            return connection
        except OSError as error:
            connection.close()
            failure = error
    raise failure or OSError("no address")


def refuse_private(host: str, address: str) -> None:
    """Raise SinkError for an address that is not one of the whole internet's."""
    if not is_public(ipaddress.ip_address(address.partition("%")[0])):
        raise SinkError(
            f"{host}: leads to {address}, an address of this machine or its own network, which is told only with "
            "allow_private = true"
        )


def is_public(address: Address) -> bool:
    """Return whether an address belongs to the whole internet; one that wraps an IPv4 address is judged by that."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast
