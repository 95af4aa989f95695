"""Whether an address is among those that a key may be sent from."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Final, TypeAlias

from parsekit.errors import EngineError

__all__ = ["check_networks", "is_among"]

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_EVERYBODY: Final = "::0"
"""What Parse Server also takes for every IPv6 address."""


@lru_cache(maxsize=64)
def _networks(entries: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(
        ipaddress.ip_network("::/0" if item == _EVERYBODY else item, strict=False) for item in entries
    )


def check_networks(place: str, entries: tuple[str, ...]) -> None:
    """Refuse entries that are neither addresses nor networks.

    Raises:
        EngineError: naming the place.
    """
    for entry in entries:
        try:
            _networks((entry,))
        except ValueError:
            raise EngineError(
                f"{place}: {entry!r} is no IP address and no network such as 10.0.0.0/8"
            ) from None


@lru_cache(maxsize=4096)
def is_among(host: str, entries: tuple[str, ...]) -> bool:
    """Whether a client's address is one of the addresses or in one of the networks."""
    try:
        address: Address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address.version == network.version and address in network for network in _networks(entries))
