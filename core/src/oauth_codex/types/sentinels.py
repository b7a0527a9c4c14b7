"""The two markers for "this argument was not given", under the names of the OpenAI SDK."""

from __future__ import annotations

from typing import Final, Literal

__all__ = ["NOT_GIVEN", "NotGiven", "Omit", "not_given", "omit"]


class Omit:
    """Stands for an argument that is left out of the request; unlike `None`, which is sent."""

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "omit"


class NotGiven:
    """Stands for an option that keeps the client's own setting, for instance `timeout`."""

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "NOT_GIVEN"


omit: Final = Omit()
not_given: Final = NotGiven()
NOT_GIVEN: Final = not_given
