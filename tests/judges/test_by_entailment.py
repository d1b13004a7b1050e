from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from stages.errors import PipelineError
from stages.judges.by_entailment import load_classifier
from stages.judges.protocol import Pair
from tests.judges.classifiers import write_classifier

PAIRS: list[Pair] = [
    ("a cat sleeps.", "the cat rests on a rug"),
    ("rain", "it rains."),
    ("it rains.", "rain"),
]


def test_the_score_is_five_times_the_probability_of_entailment(classifier: Path) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(classifier).eval()
    tokenizer = AutoTokenizer.from_pretrained(classifier)
    judged = load_classifier(classifier, identity="x").judge(PAIRS)
    for (premise, hypothesis), judgement in zip(PAIRS, judged, strict=True):
        with torch.inference_mode():
            logits = model(**tokenizer(premise, hypothesis, return_tensors="pt")).logits[0]
        assert judgement.score == pytest.approx(5 * float(logits.softmax(0)[1]), abs=1e-4)
        assert float(judgement.answer) == pytest.approx(float(logits.softmax(0)[1]), abs=1e-5)


def test_premise_and_hypothesis_are_not_alike_to_it(classifier: Path) -> None:
    judged = load_classifier(classifier, identity="x").judge(PAIRS)
    assert judged[1].score != pytest.approx(judged[2].score)


def test_the_place_of_entailment_is_read_from_the_names_whatever_their_case(
    classifier: Path, tmp_path: Path
) -> None:
    write_classifier(tmp_path, ("Contradiction", "ENTAILMENT", "neutral"))
    renamed, plain = (
        load_classifier(folder, identity="x").judge(PAIRS) for folder in (tmp_path, classifier)
    )
    assert renamed == plain
    write_classifier(tmp_path, ("entailment", "neutral", "contradiction"))
    moved = load_classifier(tmp_path, identity="x").judge(PAIRS)
    assert moved[0].score != pytest.approx(plain[0].score)


def test_no_pairs_are_no_judgements(classifier: Path) -> None:
    assert load_classifier(classifier, identity="x").judge([]) == []


def test_a_pair_longer_than_the_model_reads_is_cut(classifier: Path) -> None:
    judged = load_classifier(classifier, identity="x").judge([("cat " * 500, "dog " * 500)])
    assert judged[0].score is not None
    assert 0 <= judged[0].score <= 5


def test_other_labels_are_named_in_the_error(tmp_path: Path) -> None:
    write_classifier(tmp_path, ("LABEL_0", "LABEL_1", "LABEL_2"))
    with pytest.raises(PipelineError, match=r"LABEL_0, LABEL_1, LABEL_2, not(.|\n)*id2label"):
        load_classifier(tmp_path, identity="x")


def test_a_model_without_its_last_layer_is_refused(tmp_path: Path) -> None:
    write_classifier(tmp_path, headless=True)
    with pytest.raises(PipelineError, match=r"lacks the weights classifier\.bias"):
        load_classifier(tmp_path, identity="x")


def test_pickled_weights_are_not_opened(classifier: Path, tmp_path: Path) -> None:
    for file in classifier.iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "pytorch_model.bin").write_bytes(b"not to be read")
    with pytest.raises(PipelineError, match=r"pytorch_model\.bin; only safetensors"):
        load_classifier(tmp_path, identity="x")
