"""Answers are the same bytes with orjson and without it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import http

# Surrogates too, which a caller's JSON may escape, and integers beyond 64 bits.
TEXTS = st.text(st.characters(exclude_categories=()), max_size=30)
VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
)


@given(body=VALUES)
def test_both_writers_give_the_same_bytes(body: Any):
    assert http.orjson is not None
    fast = http.to_bytes(body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http, "orjson", None)
        slow = http.to_bytes(body)

    assert fast == slow
