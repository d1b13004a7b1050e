"""The model card: front matter that the hub reads, and a plain word for what is not known."""

import subprocess
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from stages.training.card import Origin, model_card
from stages.training.provenance import git_revision, lock_digest, read_if_there

FACTS = {"triplets": 1200, "dev benchmark": "dev", "base_dev": 69.1, "best_dev": 70.2}
ORIGIN = Origin(
    preparation={"sentences": {"file": "in/my sentences.txt", "read": 2000, "kept": 1900}},
    curation={"generated": 1900, "kept": 1200},
    models={
        "base": {
            "reference": "hub:sentence-transformers/all-MiniLM-L6-v2@c9745ed1",
            "licence": "apache-2.0",
            "licence_source": "the model's README.md",
        },
        "llm": {
            "reference": "pypi:llm==1/x.gguf",
            "sha256": "00ff",
            "licence": None,
            "licence_source": None,
        },
    },
    revision={"Git revision": "0123abcd", "dvc.lock": "sha256 4567"},
)


def card(origin: Origin = ORIGIN) -> str:
    return model_card("encoder", facts=FACTS, settings={"template": "a | b"}, origin=origin)


def test_the_hub_can_read_the_front_matter() -> None:
    data = ModelCard(card()).data.to_dict()  # type: ignore[no-untyped-call]
    assert data["library_name"] == "sentence-transformers"
    assert data["pipeline_tag"] == "sentence-similarity"
    assert data["license"] == "apache-2.0"
    assert data["base_model"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert "multicsr" in data["tags"]


def test_a_licence_the_hub_does_not_know_is_named_beside_it() -> None:
    base = {**ORIGIN.models["base"], "licence": "Garden: licence # 1", "reference": "path:x"}
    data = ModelCard(card(Origin(models={"base": base}))).data.to_dict()  # type: ignore[no-untyped-call]
    assert (data["license"], data["license_name"]) == ("other", "Garden: licence # 1")
    assert "base_model" not in data


@pytest.mark.parametrize(
    "line",
    [
        "| sentence file | my sentences.txt |",
        "| sentences read | 2000 |",
        "| triplets written | 1900 |",
        "| of these kept | 1200 |",
        "| dev | 69.1 | 70.2 |",
        "| triplets | 1200 |",
        "| Git revision | 0123abcd |",
        "| llm reference | pypi:llm==1/x.gguf, sha256 00ff |",
        "| dvc.lock | sha256 4567 |",
        "| template | a \\| b |",
        "| base encoder | apache-2.0 (the model's README.md) |",
    ],
)
def test_it_tells(line: str) -> None:
    assert line in card().splitlines()


def test_a_licence_that_nobody_states_is_said_to_be_unknown() -> None:
    assert "| language model | unknown: " in card()
    alone = card(Origin())
    assert "| base encoder | unknown: " in alone
    assert "license" not in ModelCard(alone).data.to_dict()  # type: ignore[no-untyped-call]


def test_without_git_and_dvc_the_revision_says_so(tmp_path: Path) -> None:
    assert git_revision(tmp_path) == "none (no Git repository)"
    assert lock_digest(tmp_path).startswith("none (no dvc.lock")
    assert read_if_there(tmp_path / "nothing.json") == {}


def test_the_revision_is_the_commit_and_whether_it_was_changed(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init")
    (tmp_path / "dvc.lock").write_text("one\n")
    git("add", "dvc.lock")
    git("commit", "-m", "one")
    commit = git("rev-parse", "HEAD")
    assert git_revision(tmp_path) == commit
    before = lock_digest(tmp_path)
    (tmp_path / "dvc.lock").write_text("two\n")
    assert git_revision(tmp_path) == f"{commit}, with uncommitted changes"
    assert lock_digest(tmp_path) != before
