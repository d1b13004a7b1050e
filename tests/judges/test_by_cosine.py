from pathlib import Path

import numpy as np
import pytest

from stages.encoders.embedding import embed
from stages.encoders.loading import load_encoder
from stages.encoders.tiny import write_random_encoder
from stages.judges.by_cosine import CosineJudge


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> CosineJudge:
    folder: Path = tmp_path_factory.mktemp("encoder") / "tiny"
    write_random_encoder(folder, seed=3)
    return CosineJudge(load_encoder(folder), "tiny")


def test_a_sentence_and_itself_score_5(judge: CosineJudge) -> None:
    assert judge.judge([("The cat sleeps.", "The cat sleeps.")])[0].score == pytest.approx(5)


def test_the_score_is_five_times_the_cosine_and_never_below_0(judge: CosineJudge) -> None:
    pairs = [("The cat sleeps.", "A cat rests."), ("Rain.", "zzz qqq"), ("One.", "Two.")]
    left, right = (
        embed(judge.encoder, side, batch_sentences=1) for side in zip(*pairs, strict=True)
    )
    expected = np.clip((left * right).sum(axis=1), 0, 1) * 5
    judged = judge.judge(pairs)
    assert [one.score for one in judged] == pytest.approx(expected.tolist(), abs=1e-4)
    assert all(
        one.score == pytest.approx(5 * max(float(one.answer), 0), abs=1e-4) for one in judged
    )


def test_no_pairs_are_no_judgements(judge: CosineJudge) -> None:
    assert judge.judge([]) == []
