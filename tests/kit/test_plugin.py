"""The kit's own rules: what an author may not change, expected failures, undeclared capabilities, and both clients."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

pytest_plugins = ["pytester"]

for name in (
    "driver_suite",
    "index_suite",
):  # once, because runs in this process begin without them, and numpy loads once only
    import_module(f"oauth_codex.testing.{name}")

HEAD = """
import pytest
from dataclasses import replace
from oauth_codex.local import Catalog, LocalBackend, MatrixProvider
from oauth_codex.spi import LOCAL, Driver
from oauth_codex.testing import DriverCase, DriverSuite

class Case:
    @pytest.fixture
    def case(self):
        return DriverCase("memory")

def lacking(**flags):
    def open_backend(options, context):
        capabilities = replace(LOCAL, **flags)
        return LocalBackend(Catalog.open_memory(), MatrixProvider(), context, name="lacking", capabilities=capabilities)
    return open_backend
"""

SOME = "test_equal_contents_are_two_files or suite_is_whole or test_my or test_time_of_a_file"


def run(pytester: pytest.Pytester, code: str, select: str = SOME, *options: str) -> pytest.RunResult:
    """Run some tests of a suite that is written as `code`."""
    pytester.makepyfile(test_it=HEAD + code)
    return pytester.runpytest_inprocess("-p", "oauth_codex.testing.plugin", "-k", select, "-rA", *options)


def test_suite_that_only_has_a_case_passes(pytester: pytest.Pytester) -> None:
    result = run(pytester, "class TestIt(Case, DriverSuite):\n    pass")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(
        ["*test_equal_contents_are_two_files*sync*", "*test_equal_contents_are_two_files*async*"]
    )


def test_own_tests_are_welcome_and_get_both_clients(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
class TestIt(Case, DriverSuite):
    def test_my_client(self, client, face):
        assert repr(client).startswith({"sync": "OAuthCodexClient(", "async": "AsyncOAuthCodexClient("}[face])
        assert client.with_options(timeout=60).vector_stores.list().data == []
""",
        "test_my",
    )
    result.assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("class TestIt(Case, DriverSuite):\n    def test_equal_contents_are_two_files(self): pass", "TestIt.test_equal_contents*"),
        ("class TestIt(Case, DriverSuite):\n    test_equal_contents_are_two_files = None", "TestIt.test_equal_contents*"),
        (
            "class Mixin:\n    test_equal_contents_are_two_files = None\n"
            "class TestIt(Mixin, Case, DriverSuite):\n    pass",
            "Mixin.test_equal_contents_are_two_files",
        ),
        (
            "class TestIt(Case, DriverSuite):\n    @pytest.fixture\n    def client(self):\n        pytest.skip('not today')",
            "TestIt.client",
        ),
        ("class TestIt(Case, DriverSuite):\n    _for_authors = frozenset()", "TestIt._for_authors"),
        ("@pytest.mark.skip\nclass TestIt(Case, DriverSuite):\n    pass", "'skip'"),
        ("class TestIt(Case, DriverSuite):\n    pytestmark = [pytest.mark.xfail]", "'xfail'"),
    ],
    ids=["method", "None", "mix-in", "fixture", "the list of what may be changed", "skip", "xfail"],
)  # fmt: skip
def test_changed_suite_fails_with_a_sentence(pytester: pytest.Pytester, code: str, name: str) -> None:
    result = run(pytester, code, "suite_is_whole")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*{name}* of the conformance kit*expected_failures*"])


def test_expected_failure_needs_to_fail(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
class TestIt(Case, DriverSuite):
    expected_failures = {"test_equal_contents_are_two_files": "the disk is one of a kind"}
""",
    )
    result.assert_outcomes(failed=2, passed=2)
    result.stdout.fnmatch_lines(["*XPASS(strict)*the disk is one of a kind*"])


def test_expected_failure_that_fails_is_excused_with_its_reason(pytester: pytest.Pytester) -> None:
    code = """
def late(options, context):
    wrong = replace(context, clock=lambda: 5.0)
    return LocalBackend(Catalog.open_memory(), MatrixProvider(), wrong, name="late", capabilities=LOCAL)

class TestIt(DriverSuite):
    expected_failures = {"test_time_of_a_file_is_the_clock[async]": "the service has a clock of its own"}
    @pytest.fixture
    def case(self):
        return DriverCase(late)
"""
    result = run(pytester, code)
    result.assert_outcomes(failed=1, xfailed=1, passed=2)
    result.stdout.fnmatch_lines(["*XFAIL*test_time_of_a_file_is_the_clock?async?*the service has a clock of its own*"])


@pytest.mark.parametrize(
    ("failures", "words"),
    [
        ({"test_that_is_gone": "why"}, "*'test_that_is_gone'*no such test*"),
        ({"test_equal_contents_are_two_files": " "}, "*test_equal_contents_are_two_files*has no reason*"),
        (["test_equal_contents_are_two_files"], "*is a dict of names of tests and reasons*"),
    ],
    ids=["unknown", "no reason", "no reasons at all"],
)
def test_wrong_expected_failures_fail_the_suite(pytester: pytest.Pytester, failures: object, words: str) -> None:
    result = run(pytester, f"class TestIt(Case, DriverSuite):\n    expected_failures = {failures!r}", "suite_is_whole")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([words])


UNDECLARED = """
class TestIt(DriverSuite):
    @pytest.fixture
    def case(self):
        return DriverCase(lacking(file_batches=False, filters=False, update_attributes=False, persistent=False))
"""


def test_undeclared_capability_must_be_refused(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        UNDECLARED,
        "test_uploads_of_a_batch or test_update_replaces or test_wrong_filters or test_answers_are_the_same or status_filter",
        "--oauth-codex-report=report.json",
    )
    result.assert_outcomes(passed=9, skipped=2)
    text = (pytester.path / "report.json").read_text(encoding="utf-8")
    assert text.count('"outcome": "refused"') == 7
    assert text.count('"outcome": "skipped"') == 2


def test_each_parameter_of_a_case_has_its_own_capabilities(pytester: pytest.Pytester) -> None:
    code = """
class TestIt(DriverSuite):
    @pytest.fixture(params=[True, False])
    def case(self, request):
        return DriverCase(lacking(file_batches=request.param))
"""
    result = run(pytester, code, "test_uploads_of_a_batch", "--oauth-codex-report=report.json")
    result.assert_outcomes(passed=4)
    text = (pytester.path / "report.json").read_text(encoding="utf-8")
    assert (text.count('"outcome": "refused"'), text.count('"outcome": "passed"')) == (2, 2)


def test_undeclared_capability_that_works_fails(pytester: pytest.Pytester) -> None:
    code = """
class Views(LocalBackend):
    def scoped(self, namespace):
        return self

def views(options, context):
    capabilities = replace(LOCAL, namespaces=False)
    return Views(Catalog.open_memory(), MatrixProvider(), context, name="views", capabilities=capabilities)

class TestIt(DriverSuite):
    @pytest.fixture
    def case(self):
        return DriverCase(views)
"""
    result = run(pytester, code, "test_equal_contents_in_two_views or test_closing_a_view")
    assert result.parseoutcomes().keys() == {"failed", "deselected"}
    result.stdout.fnmatch_lines(
        ["*namespaces is not declared, so this must be refused with NotSupportedError; it was accepted.*"]
    )


def test_suite_without_a_case_says_what_is_missing(pytester: pytest.Pytester) -> None:
    result = run(pytester, "class TestIt(DriverSuite):\n    pass", "test_time_of_a_file")
    assert result.parseoutcomes()["errors"] == 2
    result.stdout.fnmatch_lines(["*needs a fixture 'case' that returns a DriverCase*"])


def test_imported_suite_is_not_run_itself(pytester: pytest.Pytester) -> None:
    assert (
        run(pytester, "class TestIt(Case, DriverSuite):\n    pass", "DriverSuite").ret
        == pytest.ExitCode.NO_TESTS_COLLECTED
    )


@pytest.mark.parametrize(
    ("option", "words"),
    [("--oauth-codex-examples=0", "*at least 1*"), ("--oauth-codex-report=none/here.json", "*no directory*none*")],
)
def test_wrong_options_stop_the_run(pytester: pytest.Pytester, option: str, words: str) -> None:
    result = run(pytester, "class TestIt(Case, DriverSuite):\n    pass", SOME, option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([words])


def test_plugin_costs_nothing_to_those_who_do_not_use_it() -> None:
    code = "import pytest, sys; before = set(sys.modules); import oauth_codex.testing.plugin; print(*set(sys.modules) - before)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    ours = {"oauth_codex", "oauth_codex.testing", "oauth_codex.testing.notes", "oauth_codex.testing.plugin"}
    assert {name for name in found if "." not in name or name.startswith("oauth_codex")} <= ours


def test_missing_test_library_is_named_with_its_remedy() -> None:
    code = "import sys; sys.modules['pytest'] = None\nimport oauth_codex.testing\noauth_codex.testing.DriverSuite"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert 'pip install "oauth-codex[testing]"' in found.stderr
