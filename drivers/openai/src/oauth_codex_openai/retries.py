"""When a failed request is repeated, and after how long. The waiting itself is stamina's."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

import httpx
from oauth_codex.errors import APIConnectionError, APIStatusError

from .calls import Call

# stamina tells of each retry. A program that configures no logging would see its bare words on stderr.
logging.getLogger("stamina").addHandler(logging.NullHandler())

#: Seconds: the first wait, the longest one, and the longest that a service may ask for.
FIRST, LONGEST, MOST = 0.5, 8.0, 120.0
_JITTER = 0.25
_STATUSES = frozenset((408, 409, 429))


@dataclass
class Retrying:
    """Decides for one call; stamina asks it after each failure.

    Attributes:
        call: The call.
        most: How often it is repeated at most.
        clock: Time in Unix seconds.
        chance: A number in [0, 1), so that clients that failed together do not come back together.
    """

    call: Call
    most: int
    clock: Callable[[], float] = time.time
    chance: Callable[[], float] = random.random
    _asked: int = field(default=0, init=False)

    def __call__(self, error: Exception) -> bool | float:
        """Seconds to wait before the call is repeated; False where it is not."""
        number, self._asked = self._asked, self._asked + 1
        if not self.call.repeatable:
            return False
        own = min(FIRST * 2.0**number, LONGEST) * (1 - _JITTER * self.chance())
        if isinstance(error, APIConnectionError):
            return own
        if not isinstance(error, APIStatusError):
            return False
        headers = error.response.headers
        told = {"true": True, "false": False}.get(headers.get("x-should-retry", ""))
        status = error.response.status_code
        if not (status in _STATUSES or status >= 500 if told is None else told):
            return False
        asked = asked_for(headers, self.clock())
        if asked is None:
            return own
        return asked if asked <= MOST else False


def asked_for(headers: httpx.Headers, now: float) -> float | None:
    """Seconds that a service asks to wait, in one of three ways; None if in none, or in one that makes no sense."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * unit
        except ValueError:
            continue
        return seconds if seconds > 0 else None  # NaN compares false
    try:
        seconds = parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - now
    except (ValueError, OverflowError):
        return None
    return seconds if seconds > 0 else None
