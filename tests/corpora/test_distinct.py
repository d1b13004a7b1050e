"""A key is new once, however many came before and in whatever order."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stages.corpora.distinct import Seen

keys = st.lists(st.integers(0, 40) | st.just(2**64 - 1), max_size=30)


@given(st.lists(keys, max_size=12))
def test_a_key_is_new_exactly_when_a_set_does_not_hold_it_yet(parts: list[list[int]]) -> None:
    seen, known = Seen(), set[int]()
    for part in parts:
        found = seen.first(np.array(part, dtype=np.uint64)).tolist()
        for key, new in zip(part, found, strict=True):
            assert new == (key not in known)
            known.add(key)


def test_many_keys_in_many_parts_stay_known() -> None:
    draws = np.random.default_rng(1).integers(0, 5_000, 20_000, dtype=np.uint64)
    seen = Seen()
    found = np.concatenate([seen.first(part) for part in np.array_split(draws, 57)])
    assert sorted(draws[found].tolist()) == np.unique(draws).tolist()
    assert not seen.first(draws).any()
