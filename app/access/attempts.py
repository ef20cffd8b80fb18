"""How often somebody may try to sign in: a few times at once, then ever more slowly."""

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

_FORGOTTEN_SECONDS = 3600.0
_MOST_KEPT = 20_000


@dataclass(frozen=True)
class _Rule:
    """`free` failures cost nothing; each further one doubles the wait, up to `longest` seconds."""

    free: int
    longest: float


# One address on one name; one address on all names; all addresses on one name. The last two wait
# briefly only, so that a stranger cannot keep others out.
_RULES = (_Rule(5, 900.0), _Rule(20, 60.0), _Rule(50, 60.0))


class Attempts:
    """Failed attempts by name and address, in bounded memory."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock, self._guard = clock, threading.Lock()
        # Key: failures, until when to wait, when last. The longest unused goes first.
        self._kept: OrderedDict[tuple[str, ...], tuple[int, float, float]] = OrderedDict()

    def wait(self, name: str, address: str, known: bool = False) -> float:
        """Seconds until the next attempt; 0 if it may be made now.

        Args:
            known: This name has signed in from this browser before: what strangers have tried
                from the same address, or with the same name from elsewhere, does not count.
        """
        now = self._clock()
        keys = _keys(name, address)[: 1 if known else None]
        with self._guard:
            until = [self._kept[k][1] for k in keys if k in self._kept]
        return max([0.0, *(t - now for t in until)])

    def failed(self, name: str, address: str) -> None:
        """Name and password did not belong together."""
        now = self._clock()
        with self._guard:
            for key, rule in zip(_keys(name, address), _RULES, strict=True):
                n, until, last = self._kept.pop(key, (0, 0.0, now))
                n = 1 if now - last > _FORGOTTEN_SECONDS else n + 1
                if n >= rule.free:
                    until = now + min(rule.longest, 2.0 ** min(n - rule.free + 1, 20))
                self._kept[key] = (n, until, now)
            while len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)

    def succeeded(self, name: str, address: str) -> None:
        """The person is who they say: their typing errors, and this attempt, are forgotten."""
        with self._guard:
            own, *others = _keys(name, address)
            self._kept.pop(own, None)
            for key in others:
                n, _, last = self._kept.get(key, (0, 0.0, 0.0))
                self._kept[key] = (max(n - 1, 0), 0.0, last)


def _keys(name: str, address: str) -> tuple[tuple[str, ...], ...]:
    name, place = name.casefold()[:64], _network(address)
    return (("both", name, place), ("address", place), ("name", name))


def _network(address: str) -> str:
    """The address; of IPv6 the network that one household or machine has."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
