"""A pytest plugin for the openai package's own tests: those that ask a server which validates for what it must refuse.

They were written for a mock that answers anything. Each is a strict expected failure, and only with a `BadRequestError`: if one passes
or fails in another way, so does the run.
"""

from __future__ import annotations

import pytest

LIMIT = "asks for limit=0 and for what lies between the cursors 'after' and 'before', which are no ids of the list"
NEITHER = "creates a batch of no files: neither file_ids nor files is given"
BOTH = "creates a batch with both file_ids and files, which exclude each other"

#: Why a test must fail, by module and name. Each is run in five variants: two sync clients and three async ones.
REASONS = {
    ("test_files", "test_method_list_with_all_params"): LIMIT,
    ("test_vector_stores", "test_method_list_with_all_params"): LIMIT,
    ("vector_stores.test_files", "test_method_list_with_all_params"): LIMIT,
    ("vector_stores.test_file_batches", "test_method_list_files_with_all_params"): LIMIT,
    ("vector_stores.test_file_batches", "test_method_create"): NEITHER,
    ("vector_stores.test_file_batches", "test_method_create_with_all_params"): BOTH,
    ("vector_stores.test_file_batches", "test_raw_response_create"): NEITHER,
    ("vector_stores.test_file_batches", "test_streaming_response_create"): NEITHER,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark them."""
    import openai

    for item in items:
        assert isinstance(item, pytest.Function)
        module = item.module.__name__.removeprefix("tests.api_resources.")
        reason = REASONS.get((module, item.originalname))
        if reason is not None:
            item.add_marker(pytest.mark.xfail(reason=reason, raises=openai.BadRequestError, strict=True))
