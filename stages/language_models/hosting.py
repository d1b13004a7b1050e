"""Find the continuations that need no computation of their own: another prompt begins with them.

To score y as a paraphrase of x, ``Sentence: x / Same meaning:`` is computed anyway, and on the way
every token of x is predicted after ``Sentence:`` alone.
"""

from collections.abc import Mapping, Sequence

from stages.language_models.protocol import Prompt


def hosts(
    prompts: Sequence[Prompt],
    continuations: Sequence[Sequence[int]],
    suffixes: Mapping[Prompt, Sequence[int]],
) -> list[Prompt | None]:
    """Return, for each continuation, the longest prompt that passes over it; None without one.

    A prompt passes over a continuation when its tokens but for the last begin with those of the
    continuation's own prompt and of the continuation. The longest one is never itself passed over
    by another, so every host has something to compute for.

    Args:
        prompts: The prompt of each continuation.
        continuations: Tokens of each continuation.
        suffixes: Tokens of the suffix of every prompt.
    """
    longest: dict[tuple[str, tuple[int, ...]], Prompt] = {}
    for prompt in sorted(suffixes, key=lambda prompt: len(suffixes[prompt])):
        computed = tuple(suffixes[prompt][:-1])
        for stop in range(1, len(computed) + 1):
            longest[prompt.prefix, computed[:stop]] = prompt
    return [
        # Without a token of its own suffix there is no computed state that predicts the first one.
        longest.get((prompt.prefix, (*suffixes[prompt], *tokens))) if suffixes[prompt] else None
        for prompt, tokens in zip(prompts, continuations, strict=True)
    ]
