"""The pytest plugin of the kit: which tests apply, what an author may not change, and the report.

pytest imports this module in every run of everybody who has oauth-codex installed, so it imports nothing but pytest here.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .notes import NOTE, REQUIRES, RULE, names, note

if TYPE_CHECKING:
    from _pytest.nodes import Node
    from anyio.from_thread import BlockingPortal

pytest.register_assert_rewrite("oauth_codex.testing.suites", "oauth_codex.testing.index_suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("oauth-codex", "conformance of oauth-codex drivers")
    group.addoption("--oauth-codex-report", metavar="FILE", help="write the results of the conformance kit as JSON")
    group.addoption(
        "--oauth-codex-examples",
        metavar="N",
        type=int,
        default=25,
        help="examples of each generated test of the conformance kit (default: %(default)s)",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{RULE}(*numbers): rules of the driver contract that a test proves")
    config.addinivalue_line("markers", f"{REQUIRES}(*flags): capabilities or traits that a test needs")
    if config.getoption("--oauth-codex-examples") < 1:
        raise pytest.UsageError("--oauth-codex-examples takes a number of at least 1.")
    given = config.getoption("--oauth-codex-report")
    if given and not hasattr(config, "workerinput"):  # a worker of pytest-xdist only sends its results
        path = Path(given).absolute()
        if not path.parent.is_dir():
            raise pytest.UsageError(f"--oauth-codex-report: there is no directory {path.parent}.")
        from .report import Reporter

        config.pluginmanager.register(Reporter(path), "oauth-codex-report")


@pytest.fixture(scope="session")
def oauth_codex_portal() -> Iterator[BlockingPortal]:
    """An event loop in a thread of its own, in which async clients run."""
    from anyio.from_thread import start_blocking_portal

    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture(scope="session")
def oauth_codex_examples(request: pytest.FixtureRequest) -> int:
    """How many examples a generated test runs."""
    found: int = request.config.getoption("--oauth-codex-examples")
    return found


# -- collecting a suite ------------------------------------------------------------------------------------------------


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Module | pytest.Class, name: str, obj: object) -> pytest.Class | None:
    base = sys.modules.get(f"{__package__}.suites.base")  # without it there is no suite
    if base is None or not (isinstance(obj, type) and issubclass(obj, base.Suite) and collector.istestclass(obj, name)):
        return None
    found: SuiteClass = SuiteClass.from_parent(collector, name=name, obj=obj)
    return found


class SuiteClass(pytest.Class):
    """A subclass of a suite: its tests, and one more that fails if the subclass changes what it must not."""

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        tests = list(super().collect())
        problems = [*_changes(self.obj), *_expect_failures(self.obj, tests)]
        if problems:
            tests.insert(0, SuiteProblem.from_parent(self, name="suite_is_whole", problems=problems))
        for test in tests:
            if isinstance(test, pytest.Item):
                note(test)
        return tests


class SuiteProblem(pytest.Item):
    """Fails with what is wrong about a subclass of a suite."""

    def __init__(self, *, problems: list[str], **arguments: Any) -> None:
        super().__init__(**arguments)
        self.problems = problems

    def iter_markers_with_node(self, name: str | None = None) -> Iterator[tuple[Node, pytest.Mark]]:
        """No marks: a subclass that is skipped as a whole fails all the same."""
        return iter(())

    def runtest(self) -> None:
        pytest.fail("\n".join(self.problems), pytrace=False)


def _changes(suite: Any) -> Iterator[str]:
    """A sentence for each thing of the kit that a subclass, or a mix-in of it, replaces or hides."""
    ours = [each for each in suite.__mro__ if _of_kit(each)]
    kept = {name for each in ours for name in vars(each) if not name.startswith("__")} - suite._for_authors
    for each in suite.__mro__:
        if _of_kit(each) or each is object:
            continue
        for name in sorted(kept & vars(each).keys()):
            yield (
                f"{each.__qualname__}.{name} replaces {name} of the conformance kit, which must run as it is. Give your own"
                " test another name; a test that fails for a known reason goes into expected_failures, with the reason."
            )
        for name in sorted({"skip", "skipif", "xfail"} & {mark.name for mark in _marks(each)}):
            yield (
                f"{each.__qualname__} is marked {name!r}, which would hide tests of the conformance kit. A test that fails for a"
                " known reason goes into expected_failures, with the reason."
            )


def _marks(each: type) -> list[pytest.Mark]:
    found: Any = vars(each).get("pytestmark", [])
    marks = found if isinstance(found, list) else [found]
    return [mark.mark if isinstance(mark, pytest.MarkDecorator) else mark for mark in marks]


def _of_kit(each: type) -> bool:
    return each.__module__.startswith(f"{__package__}.")


def _expect_failures(suite: Any, tests: list[pytest.Item | pytest.Collector]) -> Iterator[str]:
    """Mark the expected failures; a sentence for each that is wrong."""
    if not isinstance(suite.expected_failures, Mapping):
        yield f"expected_failures of {suite.__qualname__} is a dict of names of tests and reasons, not {suite.expected_failures!r}."
        return
    known: dict[str, list[pytest.Function]] = {}
    for test in tests:
        if isinstance(test, pytest.Function):
            for name in {test.name, test.originalname}:
                known.setdefault(name, []).append(test)
    for name, reason in suite.expected_failures.items():
        if not isinstance(reason, str) or not reason.strip():
            yield f"expected_failures[{name!r}] has no reason. Say in a sentence why the test fails."
        elif name not in known:
            yield f"expected_failures names {name!r}, but {suite.__qualname__} has no such test."
        else:
            for test in known[name]:
                test.add_marker(pytest.mark.xfail(reason=reason, strict=True))


# -- running a test ----------------------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    if not isinstance(pyfuncitem.parent, SuiteClass):
        return (yield)
    seen: Any = dict(pyfuncitem.user_properties)[NOTE]
    facts: Any = pyfuncitem.funcargs["facts"]
    seen["facts"] = facts
    undeclared = [flag for flag in names(pyfuncitem, REQUIRES) if not _declared(facts, flag)]
    if not undeclared:
        return (yield)
    from ..errors import NotSupportedError
    from .marks import NOT_REFUSABLE

    if idle := [flag for flag in undeclared if flag in NOT_REFUSABLE]:
        pytest.skip(f"not declared: {', '.join(idle)}")
    try:
        yield
    except NotSupportedError:
        seen["refused"] = True
        return True
    pytest.fail(
        f"{', '.join(undeclared)} is not declared, so this must be refused with NotSupportedError; it was accepted.",
        pytrace=False,
    )


def _declared(facts: dict[str, Any], flag: str) -> bool:
    declared = {**facts.get("capabilities", {}), **facts.get("traits", {})}
    if flag not in declared:
        raise LookupError(
            f"requires({flag!r}): there is no such capability or trait. There are: {', '.join(declared)}."
        )
    return bool(declared[flag])
