"""How long texts are."""

import random
from pathlib import Path

import polars as pl
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from stages.language_models.prompts import load_prompts
from stages.planning.sampling import evenly, write_curated
from stages.planning.sizes import table_bytes
from stages.planning.texts import Ratios, characters_a_token, corpus_of, texts_of
from stages.tables.columns import TEXTS
from stages.tables.reading import read_table
from stages.tables.schemas import CURATED, TRIPLETS
from stages.tables.writing import write_table

ROOT = Path(__file__).parents[2]


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """A tokenizer of words."""
    raw = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    raw.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


def test_tokens_are_counted_where_a_tokenizer_is_at_hand_and_assumed_where_not(words: Path) -> None:
    assert characters_a_token(words, ["ab cd", "efgh"]) == 3.0
    assert characters_a_token(None, ["ab cd"]) == 4.3


def test_a_corpus_tells_its_mean_length_and_how_it_varies() -> None:
    found = corpus_of(["a" * 10, "a" * 30], premises=1e6)
    assert (found.premises, found.characters, found.spread, found.sampled) == (1e6, 20, 0.5, 2)


def test_answers_and_sentences_are_cut_where_the_settings_say() -> None:
    prompts = load_prompts("few_shot")
    found = texts_of(1e4, ratios=Ratios(), prompts=prompts, max_new_tokens=32, max_tokens=64)
    assert (found.answer, found.sentence, found.written) == (32, 64, 64)
    assert found.premise > 2000


def test_a_sample_lies_evenly_in_the_corpus() -> None:
    assert evenly([str(n) for n in range(100)], 4) == ["0", "25", "50", "75"]
    assert evenly(["a"], 4) == ["a"]


def triplets(premises: list[str], count: int) -> pl.DataFrame:
    rows = {
        "id": [f"{random.Random(n).getrandbits(64):016x}" for n in range(count)],
        "sample": [0] * count,
        **{name: [premises[(n * k) % len(premises)] for n in range(count)]
           for k, name in enumerate(TEXTS, start=1)},
        "entailment_instruction": ["same_meaning"] * count,
        "contradiction_instruction": ["opposite_meaning"] * count,
        "entailment_finished": [True] * count,
        "contradiction_finished": [True] * count,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=TRIPLETS)


def test_triplets_to_train_on_are_as_many_as_asked_and_no_text_comes_twice(
    tmp_path: Path, premises: list[str]
) -> None:
    write_table(triplets(premises[:60], 20), tmp_path / "triplets.parquet")
    write_curated(tmp_path / "triplets.parquet", tmp_path / "curated.parquet", rows=50)
    found = read_table(tmp_path / "curated.parquet", CURATED)
    assert len(found) == 50
    assert found["premise"].n_unique() == 50
    assert found["id"].n_unique() == 50


@pytest.mark.slow
def test_the_room_for_tables_is_what_they_take_within_two_fifths(
    tmp_path: Path, premises: list[str]
) -> None:
    count = 20_000
    # Words of the corpus in any order: the same sentences over and over would compress away.
    words = sorted({word for premise in premises for word in premise.split()})
    draw = random.Random(1)
    several = [" ".join(draw.choices(words, k=draw.randint(8, 20))) for _ in range(3 * count)]
    table = triplets(several, count)
    write_table(table, tmp_path / "triplets.parquet")
    mean = sum(map(len, several)) / len(several)
    texts = texts_of(
        mean,
        ratios=Ratios(answer=1.0),
        prompts=load_prompts("few_shot"),
        max_new_tokens=1000,
        max_tokens=64,
    )
    five = table_bytes(texts, premises=0, triplets=count)
    assert five / 5 == pytest.approx((tmp_path / "triplets.parquet").stat().st_size, rel=0.4)
