from pathlib import Path

import pytest

from stages.encoders.tiny import write_random_encoder
from stages.errors import PipelineError
from stages.judges.loading import Folders, load_judge
from stages.model_files.installing import install_nothing


def folders(root: Path) -> Folders:
    return Folders(llm=root / "llm", encoder=root / "encoder", nli=root / "nli")


def test_a_judge_is_known_by_what_fetch_noted(tmp_path: Path) -> None:
    write_random_encoder(tmp_path / "encoder", seed=1)
    note = '{"reference": "random:1", "identity": "random:1#abc"}'
    (tmp_path / "encoder/source.json").write_text(note)
    judge = load_judge("encoder", folders(tmp_path), dtype="float32")
    assert judge.facts == {"model": "random:1#abc"}


def test_a_model_that_fetch_did_not_bring_is_known_by_its_weights(tmp_path: Path) -> None:
    facts = []
    for seed in (1, 2):
        write_random_encoder(tmp_path / "encoder", seed=seed)
        judge = load_judge("encoder", folders(tmp_path), dtype="float32")
        facts.append(judge.facts["model"])
    assert facts[0] != facts[1]
    assert facts[0].startswith("encoder#")


def test_without_a_classifier_the_judge_nli_says_which_setting_is_missing(tmp_path: Path) -> None:
    install_nothing(tmp_path / "nli")
    with pytest.raises(PipelineError, match=r"nli is empty(.|\n)*models\.nli\.reference"):
        load_judge("nli", folders(tmp_path), dtype="float32")


def test_a_missing_folder_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="multicsr fetch"):
        load_judge("nli", folders(tmp_path), dtype="float32")
