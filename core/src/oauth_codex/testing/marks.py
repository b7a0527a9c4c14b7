"""What a test of the kit says about itself."""

from __future__ import annotations

import pytest

from .notes import REQUIRES, RULE


def rule(*numbers: str) -> pytest.MarkDecorator:
    """The rules of `docs/reference/driver-contract.md` that a test proves.

    Args:
        *numbers: Such as `R12` or `I7`.
    """
    mark: pytest.MarkDecorator = getattr(pytest.mark, RULE)(*numbers)
    return mark


def requires(*flags: str) -> pytest.MarkDecorator:
    """The capabilities or traits that a test needs.

    Where one of them is not declared, the same test must end in `NotSupportedError`: what is not declared is refused, never
    ignored. It is skipped for the flags of `NOT_REFUSABLE`, which no call asks for.

    Args:
        *flags: Names of flags of `Capabilities` or `IndexTraits`.
    """
    mark: pytest.MarkDecorator = getattr(pytest.mark, REQUIRES)(*flags)
    return mark


#: Flags that describe a driver and that no single call asks for.
NOT_REFUSABLE = frozenset({"persistent", "multi_process", "create_many", "upload_files", "exact", "cosines"})
