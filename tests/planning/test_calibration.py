"""What was timed here is kept, and tells the time of more."""

from dataclasses import replace
from pathlib import Path

import pytest

from stages.errors import PipelineError
from stages.planning.calibration import Calibration, Timing, folder_of, keep, kept, new
from stages.planning.texts import Corpus, Ratios

MACHINE = {"processor": "abacus", "cores": 2, "accelerator": None, "memory_gib": 4.0}
MODELS = {"llm": "one", "base": "two", "guide": "two"}
SETTINGS: dict[str, object] = {"generate.omega": 0.5, "generate.seed": 1}
CORPUS = Corpus(100, 50.0)


def timings(*seconds: float) -> list[Timing]:
    return [Timing(8 * n, 1e9 * n, s, 100.0) for n, s in enumerate(seconds, start=1)]


@pytest.fixture
def made() -> Calibration:
    runs = {stage: timings(5.0, 7.0) for stage in ("generate", "score", "train")}
    return new(MACHINE, MODELS, SETTINGS, ratios=Ratios(measured=True), timings=runs)


def test_what_is_kept_is_found_again_for_this_machine_and_these_models(
    tmp_path: Path, made: Calibration
) -> None:
    path = keep(made, tmp_path)
    assert path.parent == folder_of(tmp_path, MACHINE, MODELS)
    assert kept(tmp_path, MACHINE, MODELS) == made
    assert kept(tmp_path, {**MACHINE, "memory_gib": 3.9}, MODELS) == made
    assert kept(tmp_path, {**MACHINE, "cores": 4}, MODELS) is None
    assert kept(tmp_path, MACHINE, {**MODELS, "llm": "another"}) is None


def test_a_later_calibration_takes_the_place_of_an_earlier_one(
    tmp_path: Path, made: Calibration
) -> None:
    keep(made, tmp_path)
    later = replace(made, made="2030-01-01T00:00:00+00:00")
    keep(later, tmp_path)
    assert kept(tmp_path, MACHINE, MODELS) == later


def test_loading_is_told_apart_from_the_work(made: Calibration) -> None:
    line = made.line("generate")
    assert (line.fixed, line.a_flop) == pytest.approx((3.0, 2e-9))
    assert line.at(10e9) == pytest.approx(23.0)


def test_a_greater_run_that_was_no_slower_says_nothing(made: Calibration) -> None:
    busy = replace(made, timings={**made.timings, "score": timings(6.0, 5.0)})
    with pytest.raises(PipelineError, match=r"16 items of score took 5\.0 s and 8 6\.0 s"):
        busy.speed(SETTINGS, CORPUS)


def test_other_settings_are_named_and_make_the_range_wider(made: Calibration) -> None:
    same = {**SETTINGS, "generate.seed": 2}
    other = {**SETTINGS, "generate.omega": 0.0}
    assert made.differing(same) == []
    assert made.differing(other) == ["generate.omega"]
    assert made.speed(other, CORPUS).doubt > made.speed(same, CORPUS).doubt


def test_fewer_sentences_looked_at_make_the_range_wider(made: Calibration) -> None:
    few, many = (Corpus(1000, 50.0, spread=0.8, sampled=n) for n in (10, 1000))
    assert made.speed(SETTINGS, few).doubt > made.speed(SETTINGS, many).doubt


def test_a_file_of_another_version_is_told(tmp_path: Path, made: Calibration) -> None:
    path = keep(made, tmp_path)
    path.write_text('{"machine": {}}', encoding="utf-8")
    with pytest.raises(PipelineError, match="no calibration of this version"):
        kept(tmp_path, MACHINE, MODELS)
