"""Addresses that a station tells, and those that it does not."""

from __future__ import annotations

import ipaddress

import pytest

from waste_edge.device.sinks.http import addresses
from waste_edge.device.sinks.sink import SinkError


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.5", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1%eth0", "fc00::1", "::ffff:127.0.0.1", "::ffff:192.168.1.5",
        "64:ff9b::7f00:1", "2002:7f00:1::", "ff02::1", "2001:db8::1",
    ],
)  # fmt: skip
def test_addresses_of_the_own_network_are_refused(address):
    with pytest.raises(SinkError, match="told only with allow_private = true"):
        addresses.refuse_private("example.org", address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_addresses_of_the_internet_are_not(address):
    addresses.refuse_private("example.org", address)
    assert addresses.is_public(ipaddress.ip_address(address))
