"""The rules of the driver contract and the tests of the kit belong together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from oauth_codex.testing import DriverSuite, IndexSuite
from oauth_codex.testing.notes import RULE

CONTRACT = Path(__file__).parents[2] / "docs/reference/driver-contract.md"


def rules() -> set[str]:
    """The rules that the contract numbers."""
    return set(re.findall(r"^\| ([RI]\d+) \|", CONTRACT.read_text(encoding="utf-8"), re.MULTILINE))


def proofs() -> Iterator[tuple[str, set[str]]]:
    """Every test of the kit, and the rules that it names."""
    for suite in (DriverSuite, IndexSuite):
        for name in dir(suite):
            if name.startswith("test_"):
                marks = [mark for mark in getattr(getattr(suite, name), "pytestmark", []) if mark.name == RULE]
                yield f"{suite.__name__}.{name}", {number for mark in marks for number in mark.args}


def test_every_rule_has_a_test_and_every_test_has_rules_that_exist() -> None:
    known = rules()
    assert {"R1", "I1"} <= known
    named = dict(proofs())
    assert [test for test, numbers in named.items() if not numbers] == []
    assert {test: numbers - known for test, numbers in named.items() if numbers - known} == {}
    assert sorted(known - set().union(*named.values())) == []


@pytest.mark.parametrize("suite", [DriverSuite, IndexSuite])
def test_no_test_of_one_topic_hides_one_of_another(suite: type) -> None:
    seen: dict[str, type] = {}
    for each in suite.__mro__:
        for name in vars(each):
            if name.startswith("test_"):
                assert name not in seen, f"{name} is in {seen[name].__name__} and in {each.__name__}"
                seen[name] = each
