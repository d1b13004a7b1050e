from hypothesis import given
from hypothesis import strategies as st

from stages.language_models.hosting import hosts
from stages.language_models.protocol import Prompt

TOKENS = st.lists(st.integers(0, 2), min_size=1, max_size=5)
QUESTIONS = st.lists(st.tuples(st.sampled_from("pq"), TOKENS, TOKENS), max_size=12)


def asked(
    questions: list[tuple[str, list[int], list[int]]],
) -> tuple[list[Prompt], list[list[int]], dict[Prompt, list[int]]]:
    prompts = [Prompt(prefix, "".join(map(str, suffix))) for prefix, suffix, _ in questions]
    suffixes = {p: suffix for p, (_, suffix, _) in zip(prompts, questions, strict=True)}
    return prompts, [tokens for _, _, tokens in questions], suffixes


@given(QUESTIONS)
def test_a_host_passes_over_the_whole_continuation(
    questions: list[tuple[str, list[int], list[int]]],
) -> None:
    prompts, continuations, suffixes = asked(questions)
    for prompt, tokens, host in zip(
        prompts, continuations, hosts(prompts, continuations, suffixes), strict=True
    ):
        whole = [*suffixes[prompt], *tokens]
        passing = [
            other
            for other, suffix in suffixes.items()
            if other.prefix == prompt.prefix and suffix[:-1][: len(whole)] == whole
        ]
        assert (host is None) == (not passing)
        assert host is None or host in passing


@given(QUESTIONS)
def test_every_host_is_computed_anyway(
    questions: list[tuple[str, list[int], list[int]]],
) -> None:
    prompts, continuations, suffixes = asked(questions)
    found = hosts(prompts, continuations, suffixes)
    computed = {prompt for prompt, host in zip(prompts, found, strict=True) if host is None}
    assert {host for host in found if host is not None} <= computed


def test_a_prompt_without_tokens_of_its_own_is_nobodys_guest() -> None:
    prompts = [Prompt("Say: ", ""), Prompt("Say: ", "123")]
    assert hosts(prompts, [[1], [4]], {prompts[0]: [], prompts[1]: [1, 2, 3]}) == [None, None]
