import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stages.equations.contrastive_decoding import (
    contrastive_scores,
    draw,
    most_likely,
    nucleus,
    plausible_tokens,
)


@pytest.fixture
def logits() -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    return torch.randn(4, 50, generator=random), torch.randn(4, 50, generator=random)


def test_omega_0_is_plain_generation(logits: tuple[torch.Tensor, torch.Tensor]) -> None:
    wanted, noisy = logits
    assert torch.equal(contrastive_scores(wanted, noisy, omega=0), wanted)
    assert torch.equal(contrastive_scores(wanted, None, omega=0), wanted)


@given(omega=st.floats(-2, 2))
def test_scores_are_l_minus_omega_l_hat_element_by_element(omega: float) -> None:
    wanted, noisy = torch.tensor([[1.0, -2.0, 0.5]]), torch.tensor([[0.5, 3.0, -1.0]])
    scores = contrastive_scores(wanted, noisy, omega=omega)
    expected = [a - omega * b for a, b in zip([1.0, -2.0, 0.5], [0.5, 3.0, -1.0], strict=True)]
    assert scores[0].tolist() == pytest.approx(expected, abs=1e-5)


def test_contrast_without_a_noisy_branch_is_a_wrong_call() -> None:
    with pytest.raises(ValueError, match=r"omega = 0\.3 needs"):
        contrastive_scores(torch.zeros(1, 3), None, omega=0.3)


def test_adding_a_constant_to_a_branch_does_not_change_the_distribution(
    logits: tuple[torch.Tensor, torch.Tensor],
) -> None:
    wanted, noisy = logits
    plain = contrastive_scores(wanted, noisy, omega=0.5, plausibility=0.1).softmax(-1)
    shifted = contrastive_scores(wanted + 3, noisy - 7, omega=0.5, plausibility=0.1).softmax(-1)
    assert torch.allclose(plain, shifted, atol=1e-6)


def test_a_token_below_the_plausible_share_can_never_be_drawn() -> None:
    wanted = torch.tensor([[0.5, 0.3, 0.06, 0.04]]).log()
    noisy = torch.tensor([[10.0, 0.0, -50.0, -50.0]])
    allowed = contrastive_scores(wanted, noisy, omega=1, plausibility=0.11).isfinite()
    assert allowed.tolist() == [[True, True, True, False]]


def test_the_most_likely_wanted_token_is_always_plausible() -> None:
    scores = contrastive_scores(
        torch.tensor([[2.0, 1.0]]), torch.tensor([[9.0, 0.0]]), omega=1, plausibility=0.99
    )
    assert scores.isfinite().tolist() == [[True, False]]


def test_nucleus_keeps_the_fewest_tokens_that_hold_top_p() -> None:
    scores = torch.tensor([[0.1, 0.5, 0.15, 0.25]]).log()
    assert nucleus(scores, top_p=0.7).isfinite().tolist() == [[False, True, False, True]]
    assert nucleus(scores, top_p=0.4).isfinite().tolist() == [[False, True, False, False]]
    assert torch.equal(nucleus(scores, top_p=1), scores)


@pytest.mark.parametrize("top_p", [0.05, 0.5, 0.9, 0.999])
def test_the_nucleus_of_a_great_vocabulary_is_that_of_a_full_sort(top_p: float) -> None:
    """Peaked rows end within the first tokens looked at, flat ones need all."""
    scores = torch.randn(6, 3000, generator=torch.Generator().manual_seed(0))
    scores = scores.double() * torch.tensor([[0.1], [1.0], [3.0], [5.0], [8.0], [20.0]])
    kept = nucleus(scores, top_p=top_p).isfinite()
    for row, found in zip(scores.softmax(dim=-1), kept, strict=True):
        ordered, order = row.sort(descending=True)
        wanted = order[: int((ordered.cumsum(0) < top_p).sum()) + 1]
        assert set(found.nonzero()[:, 0].tolist()) == set(wanted.tolist())


def test_the_plausible_tokens_are_those_that_the_scores_do_not_exclude() -> None:
    wanted = torch.randn(5, 200, generator=torch.Generator().manual_seed(1)) * 2
    wanted[3] = 0  # all alike: all plausible
    tokens, filled = plausible_tokens(wanted, plausibility=0.1)
    scores = contrastive_scores(wanted, None, omega=0, plausibility=0.1)
    for row, chosen, here in zip(scores, tokens, filled, strict=True):
        assert chosen[here].tolist() == row.isfinite().nonzero()[:, 0].tolist()
    assert tokens.shape == (5, 200)


def test_the_nucleus_is_that_of_the_tempered_distribution() -> None:
    scores = torch.tensor([[0.0, 1.0, 2.0, 3.0]])
    for temperature in (0.3, 1.0, 4.0):
        warm = nucleus(scores, top_p=0.8, temperature=temperature).isfinite()
        assert torch.equal(warm, nucleus(scores / temperature, top_p=0.8).isfinite())


def test_top_k_keeps_the_k_best_and_what_ties_with_the_last() -> None:
    scores = torch.tensor([[1.0, 3.0, 2.0, 2.0], [4.0, 3.0, 2.0, 1.0]])
    kept = most_likely(scores, top_k=2).isfinite()
    assert kept.tolist() == [[False, True, True, True], [True, True, False, False]]
    assert torch.equal(most_likely(scores, top_k=0), scores)
    assert torch.equal(most_likely(scores, top_k=9), scores)


def test_greedy_takes_the_best_token_whatever_the_random_number() -> None:
    scores = torch.tensor([[0.0, 2.0, 1.0]]).expand(3, -1)
    assert draw(scores, torch.tensor([0.0, 0.5, 0.999]), temperature=0).tolist() == [1, 1, 1]


def test_drawing_inverts_the_cumulative_distribution() -> None:
    scores = torch.tensor([0.2, 0.5, 0.3]).log().expand(6, -1)
    uniforms = torch.tensor([0.0, 0.19, 0.21, 0.69, 0.71, 0.999])
    assert draw(scores, uniforms, temperature=1).tolist() == [0, 0, 1, 1, 2, 2]


def test_frequencies_follow_the_softmax_at_the_temperature() -> None:
    scores = torch.tensor([1.0, 0.0, -1.0])
    uniforms = (torch.arange(10_000) + 0.5) / 10_000
    drawn = draw(scores.expand(10_000, -1), uniforms, temperature=0.5)
    frequencies = torch.bincount(drawn, minlength=3) / 10_000
    weights = [math.exp(2), 1, math.exp(-2)]
    expected = torch.tensor(weights) / sum(weights)
    assert torch.allclose(frequencies, expected, atol=2e-4)


def test_an_excluded_token_is_never_drawn_at_the_edges() -> None:
    scores = torch.tensor([-torch.inf, 0.0, -torch.inf]).expand(2, -1)
    assert draw(scores, torch.tensor([0.0, 1 - 1e-7]), temperature=1).tolist() == [1, 1]
