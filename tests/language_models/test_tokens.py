from hypothesis import given
from hypothesis import strategies as st

from stages.language_models.tokens import ALIKE, ROWS_AT_ONCE, SMALL_RUN, TOKENS_AT_ONCE, in_runs

lengths = st.lists(st.integers(0, 3 * TOKENS_AT_ONCE) | st.integers(0, 40), max_size=300)


@given(lengths=lengths)
def test_runs_hold_everything_once_and_fit_unless_a_row_alone_does_not(lengths: list[int]) -> None:
    runs = in_runs(range(len(lengths)), length=lambda item: lengths[item])
    assert sorted(item for run in runs for item in run) == list(range(len(lengths)))
    for run in runs:
        assert 1 <= len(run) <= ROWS_AT_ONCE
        padded = len(run) * max(lengths[item] for item in run)
        assert padded <= TOKENS_AT_ONCE or len(run) == 1
    longest = [max(lengths[item] for item in run) for run in runs]
    assert longest == sorted(longest)


@given(lengths=lengths)
def test_a_run_that_was_no_small_one_took_no_row_much_longer_than_its_shortest(
    lengths: list[int],
) -> None:
    for run in in_runs(lengths, length=int):
        *before, longest = run
        if before and len(before) * before[-1] >= SMALL_RUN:
            assert longest <= ALIKE * before[0]


def test_one_long_text_does_not_make_the_others_as_long() -> None:
    lengths = [20] * 30 + [2000]
    assert [len(run) for run in in_runs(lengths, length=int)] == [30, 1]
