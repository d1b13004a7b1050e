"""What is drawn of vectors, against computations by hand: quantiles, draws by turns, the plane."""

from collections import Counter

import numpy as np
import polars as pl
import pytest

from stages.encoders.embedding import Vectors
from stages.evaluation import space as module
from stages.evaluation.kinds.scores import TaskScores
from stages.evaluation.space import by_grade, curves, evenly, flat_map, space
from stages.evaluation.tasks.data import AlignedLines, GradedPairs, LoadedTask
from stages.evaluation.tasks.definitions import METRICS, Kind, Task
from stages.tables.schemas import PAIRS

GRADES = np.array([0.0, 0.5, 1.0, 2.5, 4.0, 5.0] * 10)
NAMES = ("base", "trained")


class Vectory:
    """Stands for a store of vectors: those of the sentences it was given."""

    def __init__(self, vectors: dict[str, list[float]]) -> None:
        self._vectors = vectors

    def vectors(self, sentences: list[str]) -> Vectors:
        return np.array([self._vectors[text] for text in sentences], dtype=np.float32)


def drawn(width: int, seed: int, rows: int = 40) -> dict[str, list[float]]:
    values = np.random.default_rng(seed).normal(size=(2 * rows, width)) * (1 + np.arange(width))
    return {f"{'ab'[n % 2]}{n // 2}": row.tolist() for n, row in enumerate(values)}


def table(rows: int = 40) -> pl.DataFrame:
    grades = [5 * n / (rows - 1) for n in range(rows)]
    columns = {"subset": [""] * rows, "score": grades}
    sides = {
        f"sentence{n}": [f"{side}{row}" for row in range(rows)] for n, side in ((1, "a"), (2, "b"))
    }
    return pl.DataFrame({**columns, **sides}, schema=dict(PAIRS))


def placed(stores: list[Vectory], rows: int = 40) -> dict[str, object]:
    return flat_map(
        table(rows),
        np.arange(rows),
        [np.linspace(0, 1, rows)] * len(stores),
        stores,  # type: ignore[arg-type]
        names=NAMES,
        seed=(1,),
    )


def ends(found: dict[str, object], name: str) -> np.ndarray:
    return np.array([pair[name]["ends"] for pair in found["pairs"]])  # type: ignore[attr-defined]


def test_a_band_holds_its_lower_edge_and_the_last_one_both() -> None:
    bands = by_grade(GRADES, {"base": GRADES / 5})
    assert [(band["low"], band["high"], band["pairs"]) for band in bands] == [
        (0, 1, 20),
        (1, 2, 10),
        (2, 3, 10),
        (4, 5, 20),
    ]


def test_quantiles_are_those_of_the_band_alone() -> None:
    cosines = np.random.default_rng(1).uniform(size=len(GRADES))
    low = by_grade(GRADES, {"base": cosines})[0]["base"]
    inside = np.sort(cosines[GRADES < 1])
    assert low["p50"] == pytest.approx((inside[9] + inside[10]) / 2, abs=1e-4)
    assert low["p10"] < low["p25"] < low["p50"] < low["p75"] < low["p90"]


def test_a_band_of_a_few_pairs_is_left_out() -> None:
    grades = np.array([0.5] * 5 + [3.5] * 4)
    assert [band["low"] for band in by_grade(grades, {"base": grades})] == [0]


def test_pairs_are_drawn_by_turns_from_every_band_and_by_the_seed() -> None:
    grades = np.concatenate([np.full(500, 4.5), [0.1, 0.2, 0.3], np.full(40, 2.0)])
    chosen = evenly(grades, count=21, seed=(1, 2))
    assert Counter(grades[chosen].astype(int)) == {0: 3, 2: 9, 4: 9}
    assert len(set(chosen.tolist())) == 21
    assert np.array_equal(chosen, evenly(grades, count=21, seed=(1, 2)))
    assert not np.array_equal(chosen, evenly(grades, count=21, seed=(1, 3)))
    assert len(evenly(grades, count=10_000, seed=(1,))) == len(grades)
    assert len(evenly(grades, count=0, seed=(1,))) == 0


def test_the_plane_is_that_of_the_greatest_variance_of_the_base() -> None:
    base, trained = drawn(6, seed=1), drawn(6, seed=2)
    found = placed([Vectory(base), Vectory(trained)])
    values = np.array([base[text] for text in [*table()["sentence1"], *table()["sentence2"]]])
    centred = values - values.mean(axis=0)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    wanted = centred @ directions[:2].T
    got = np.concatenate(np.split(ends(found, "base"), 2, axis=1))
    np.testing.assert_allclose(np.abs(got), np.abs(wanted), atol=2e-3)
    share = (sizes[:2] ** 2).sum() / (sizes**2).sum()
    assert found["base"] == {"share": pytest.approx(share, abs=1e-3), "own": False}


def test_the_trained_encoder_falls_on_the_same_plane_so_that_what_moved_has_moved() -> None:
    base = drawn(6, seed=1)
    same = placed([Vectory(base), Vectory(dict(base))])
    assert np.array_equal(ends(same, "base"), ends(same, "trained"))
    moved = {text: [n + 3.0 for n in row] for text, row in base.items()}
    found = placed([Vectory(base), Vectory(moved)])
    shift = ends(found, "trained") - ends(found, "base")
    assert np.ptp(shift, axis=0) == pytest.approx(0, abs=1e-3)
    assert np.abs(shift).max() > 0.1


def test_vectors_of_another_length_get_a_plane_of_their_own_turned_like_the_first() -> None:
    base = drawn(4, seed=1)
    wider = {text: [*row[::-1], 0.0] for text, row in base.items()}
    found = placed([Vectory(base), Vectory(wider)])
    assert found["trained"]["own"]  # type: ignore[index]
    np.testing.assert_allclose(ends(found, "trained"), ends(found, "base"), atol=2e-3)


def test_more_sentences_than_decide_the_axes_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_FITTED", 10)
    stores = [Vectory(drawn(4, seed=1)), Vectory(drawn(4, seed=2))]
    assert placed(stores) == placed(stores)
    assert len(ends(placed(stores), "base")) == 40


def loaded(name: str, kind: Kind, data: GradedPairs | AlignedLines) -> LoadedTask:
    files = {"pairs": "x"} if kind == "sts" else {"left": "x", "right": "y"}
    return LoadedTask(
        Task(name=name, group="g", kind=kind, metric=METRICS[kind], files=files), data
    )


@pytest.mark.parametrize("count", [0, 7])
def test_tasks_of_other_kinds_are_passed_over_and_no_map_can_be_asked_for(count: int) -> None:
    tasks = [
        loaded("lines", "bitext", AlignedLines(["a0"], ["b0"])),
        loaded("pairs", "sts", GradedPairs(table())),
    ]
    scores = [{"pairs": TaskScores(np.linspace(0, 1, 40))}] * 2
    stores = [Vectory(drawn(4, seed=1)), Vectory(drawn(4, seed=2))]
    (entry,) = space(tasks, scores, stores, drawn_pairs=count, seed=1)  # type: ignore[arg-type]
    assert (entry["task"], entry["pairs"], len(entry["bands"])) == ("pairs", 40, 5)
    assert (entry["map"] is None) == (count == 0)
    rows = curves([entry])
    assert rows["grade"].to_list() == [0.5, 1.5, 2.5, 3.5, 4.5]
    assert rows["trained"].to_list() == [band["trained"]["p50"] for band in entry["bands"]]
    assert (rows["base_low"] < rows["base"]).all()


def test_long_sentences_are_cut_in_the_list() -> None:
    long = "a" * 500
    rows = pl.DataFrame(
        {"subset": ["", ""], "score": [0.0, 5.0], "sentence1": [long, "c"], "sentence2": ["b", "d"]}
    )
    store = Vectory({long: [1.0, 2, 3], "b": [2.0, 1, 0], "c": [0.0, 1, 1], "d": [1.0, 0, 4]})
    cosines = [np.array([0.1, 0.2])] * 2
    found = flat_map(
        rows,
        np.array([0]),
        cosines,
        [store, store],  # type: ignore[list-item]
        names=NAMES,
        seed=(1,),
    )
    (pair,) = found["pairs"]
    assert len(pair["texts"][0]) == module.MOST_CHARACTERS + 1
    assert (pair["item"], pair["grade"]) == (1, 0.0)
