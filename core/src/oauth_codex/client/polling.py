"""How long to wait between two looks at something that is being processed, when to stop waiting, and whom to tell."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

from .. import messages as say
from ..errors import PollTimeoutError
from ..types.sentinels import NotGiven, Omit

#: Seconds between two looks: a local driver answers at once, so it is asked soon and then ever less often.
FIRST, GROWTH, LONGEST = 0.05, 1.5, 1.0


class Patience:
    """When to look again. Made before anything is sent, so that wrong arguments have no effect.

    Raises:
        ParameterValidationError: An interval or a limit is not a finite number of at least 0, or `on_progress` is no function.
    """

    def __init__(
        self,
        what: str,
        *,
        now: Callable[[], float],
        local: bool,
        poll_interval_ms: object = None,
        max_wait_seconds: object = None,
        on_progress: object = None,
    ) -> None:
        """Set the terms.

        Args:
            what: What is waited for, as the error calls it.
            now: Monotonic time in seconds.
            local: Whether the driver is local; a remote service is asked once a second.
            poll_interval_ms: Milliseconds between two looks; None or omitted for the driver's own pace.
            max_wait_seconds: When to give up; None or omitted for never, 0 for without a single look.
            on_progress: Told how far it is; None or omitted for nobody.
        """
        fixed = _amount(poll_interval_ms, "poll_interval_ms")
        self._what = what
        self._now = now
        self._limit = _amount(max_wait_seconds, "max_wait_seconds")
        self._deadline: float | None = None
        self._growth = GROWTH if fixed is None and local else 1.0
        self._interval = fixed / 1000 if fixed is not None else FIRST if local else LONGEST
        self.fixed_ms = fixed
        self._asked = False
        self._on_progress = _listener(on_progress)
        self._told: tuple[int, int, type] | None = None
        #: Whether news comes by itself, so that nothing was missed since the first look but what came before it.
        self.watching = False

    def headers(self) -> dict[str, str]:
        """Headers of a polling request, as the OpenAI SDK sends them."""
        headers = {"X-Stainless-Poll-Helper": "true"}
        if self.fixed_ms is not None:
            headers["X-Stainless-Custom-Poll-Interval"] = f"{self.fixed_ms:g}"
        return headers

    def told(self, answer: Any, _retries: int) -> None:
        """Take the pace that the first answer of a service asks for, unless the caller chose one."""
        if self._asked or self.fixed_ms is not None:
            return
        self._asked = True
        wanted = answer.headers.get("openai-poll-after-ms", "")
        if wanted.isascii() and wanted.isdecimal() and int(wanted[:10]) > 0:
            self._interval = int(wanted[:10]) / 1000

    def report(self, done: int, total: int, item: Any) -> None:
        """Tell the caller how far it is, if that has changed; after the last upload of a batch, the batch is news."""
        if self._on_progress is not None and self._told != (done, total, type(item)):
            self._told = done, total, type(item)
            self._on_progress(done, total, item)

    def counting(self, total: int) -> Callable[[Sequence[Any]], None]:
        """Something to call with the items that were done together, of so many."""
        done = 0

        def count(items: Sequence[Any]) -> None:
            nonlocal done
            for item in items:
                done += 1
                self.report(done, total, item)

        return count

    def check(self, last: Any, what: str | None = None) -> None:
        """Stop waiting if time is up; the first call starts the clock.

        Args:
            last: The object as last seen.
            what: Says more of what is waited for, once its id is known.

        Raises:
            PollTimeoutError: Time is up.
        """
        if self._limit is None:
            return
        if self._deadline is None:
            self._deadline = self._now() + self._limit
        if self._now() >= self._deadline:
            raise PollTimeoutError(f"Timed out waiting for {what or self._what} to finish processing", last=last)

    def delay(self) -> float:
        """Seconds until the next look, never beyond the limit."""
        if self.watching:
            self.watching = False
            return 0.0
        interval = self._interval
        self._interval = min(interval * self._growth, max(LONGEST, interval))
        if self._deadline is None:
            return interval
        return max(0.0, min(interval, self._deadline - self._now()))


def _listener(value: object) -> Callable[[int, int, Any], object] | None:
    return None if value is None or isinstance(value, Omit | NotGiven) else told_of_progress(value)


def told_of_progress(value: object) -> Callable[[int, int, Any], object]:
    """A function that shall be told of progress, by either client.

    Raises:
        ParameterValidationError: It is none, or one that would have to be awaited.
    """
    if not callable(value) or inspect.iscoroutinefunction(value):
        raise say.wrong_type("on_progress", value, "a function of done, total and item that is not async")
    return value


def _amount(value: object, param: str) -> float | None:
    if value is None or isinstance(value, Omit | NotGiven):
        return None
    try:
        amount = math.nan if isinstance(value, bool) or not isinstance(value, int | float) else float(value)
    except OverflowError:  # an integer that no float can be
        amount = math.nan
    if not math.isfinite(amount):
        raise say.wrong_type(param, value, "a finite number")
    if amount < 0:
        raise say.below_minimum(param, value, 0, "decimal")
    return amount
