"""Does a known encoder get its known scores? On real benchmarks, which are not part of the project.

`MULTICSR_BENCHMARKS=FOLDER make test-models` runs these; FOLDER is laid out as data/README.md says.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from stages.encoders.vector_store import VectorStore
from stages.evaluation.comparison import Sample, point
from stages.evaluation.kinds.classification import score
from stages.evaluation.kinds.scores import TaskScores
from stages.evaluation.scoring import score_tasks
from stages.evaluation.tasks.data import LabelledRows
from stages.evaluation.tasks.definitions import chosen_tasks
from stages.evaluation.tasks.loading import load_tasks, local_files
from tests.evaluation import senteval

pytestmark = pytest.mark.models

WORK = Path(__file__).parents[2] / ".work"
ROWS = 1500
"""Of each table, from its beginning in an order by chance."""
FOLDS = 5


@pytest.fixture(name="folder")
def of_real_benchmarks() -> Path:
    named = os.environ.get("MULTICSR_BENCHMARKS")
    if not named:
        pytest.skip("MULTICSR_BENCHMARKS names no folder of real benchmarks")
    return Path(named)


def measured(encoder: Path, folder: Path, task: str, dtype: str = "float32") -> TaskScores:
    store = VectorStore(encoder, work=WORK, batch_sentences=64, dtype=dtype)
    return score_tasks(store, _loaded(folder, task))[task]


def _loaded(folder: Path, task: str) -> list:  # type: ignore[type-arg]
    (declared,) = chosen_tasks(folder, [task])
    if local_files(declared, folder) is None:
        pytest.skip(f"{folder} has no {task}")
    return load_tasks(folder, [task])


@pytest.mark.parametrize(("task", "known"), [("STS12", 72.37), ("STS13", 80.60), ("STS14", 75.59)])
def test_minilm_gets_its_published_correlations(
    folder: Path, real_models: dict[str, Path], task: str, known: float
) -> None:
    found = measured(real_models["base"], folder, task)
    (figure,) = point(Sample([found.values], found.grades))
    assert figure == pytest.approx(known, abs=0.1)


@pytest.mark.parametrize("task", ["STS12", "STSB.dev", "SICK-R.test"])
def test_bfloat16_moves_a_correlation_by_a_few_hundredths_at_most(
    folder: Path, real_models: dict[str, Path], task: str
) -> None:
    found = [measured(real_models["base"], folder, task, d) for d in ("float32", "bfloat16")]
    exact, rounded = (point(Sample([each.values], each.grades)).item() for each in found)
    assert exact != rounded
    assert exact == pytest.approx(rounded, abs=0.05)


def test_minilm_gets_its_published_ndcg(folder: Path, real_models: dict[str, Path]) -> None:
    found = measured(real_models["base"], folder, "SciFact")
    assert 100 * found.values.mean() == pytest.approx(64.5, abs=0.3)


@pytest.mark.parametrize("task", ["MR", "CR", "SST2", "TREC", "MRPC", "SUBJ", "MPQA"])
def test_accuracies_are_those_of_senteval_s_recipe(
    folder: Path, real_models: dict[str, Path], task: str
) -> None:
    (loaded,) = _loaded(folder, task)
    assert isinstance(loaded.data, LabelledRows)
    sample = LabelledRows(
        {
            role: table.sample(min(ROWS, len(table)), shuffle=True, seed=1)
            for role, table in loaded.data.tables.items()
        }
    )
    store = VectorStore(real_models["base"], work=WORK, batch_sentences=64)
    folds = None if "dev" in sample.tables else FOLDS
    ours = 100 * score(sample, store, folds=folds).values.mean()
    assert ours == pytest.approx(_oracle(sample, store), abs=1.0)


def _oracle(rows: LabelledRows, store: VectorStore) -> float:
    names = sorted(set(rows.first["label"]))
    parts = []
    for table in rows.tables.values():
        sides = [store.vectors(table[name].to_list(), unit=False) for name in rows.columns]
        x = sides[0]
        if len(sides) == 2:
            x = np.hstack([abs(sides[0] - sides[1]), sides[0] * sides[1]])
        parts.append((x, np.array([names.index(label) for label in table["label"]])))
    if len(parts) == 1:
        return senteval.accuracy_by_folds(*parts[0], folds=FOLDS)
    if len(parts) == 2:
        return senteval.accuracy_with_folds(*parts, folds=FOLDS)
    return senteval.accuracy_with_dev(*parts)
