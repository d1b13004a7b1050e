"""A plan follows from what there is to do."""

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from stages.errors import PipelineError
from stages.language_models.prompts import load_prompts
from stages.params import AskedJudge
from stages.params_file import load_params
from stages.planning.estimating import Plan, Scenario, make_plan
from stages.planning.models import find_model
from stages.planning.speed import Calibrated, Line, find_accelerator
from stages.planning.texts import Ratios, Texts, texts_of
from stages.planning.workload import Models, generation, scoring

ROOT = Path(__file__).parents[2]
SETTINGS = load_params(ROOT / "profiles/starter.yaml").model_dump(by_alias=True)
MODELS = Models(*(find_model(n).shape for n in ("smollm2-135m", *["all-minilm-l6-v2"] * 2)))


def changed(**settings: object) -> dict[str, Any]:
    """Return the starter's settings with others, such as ``generate__omega=0``."""
    values: dict[str, Any] = {
        name: dict(part) for name, part in SETTINGS.items() if part != "starter"
    }
    for key, value in settings.items():
        section, _, name = key.partition("__")
        values[section][name] = value
    return values


def texts(characters: float = 80, settings: dict[str, Any] = SETTINGS) -> Texts:
    return texts_of(
        characters,
        ratios=Ratios(),
        prompts=load_prompts(settings["generate"]["prompts"]),
        max_new_tokens=settings["generate"]["max_new_tokens"],
        max_tokens=settings["train"]["max_tokens"],
    )


def plan(scenario: Scenario, settings: dict[str, Any] = SETTINGS, name: str = "a100") -> Plan:
    speed = find_accelerator(name, dtype="auto", training_dtype="auto")
    return make_plan(settings, MODELS, texts(settings=settings), speed, scenario)


def written(settings: dict[str, Any]) -> float:
    work = generation(settings, MODELS.llm, texts(), premises=1000, number_bytes=4)
    return work.step_flops


def test_without_contrast_two_branches_are_written_and_not_four() -> None:
    assert written(SETTINGS) == pytest.approx(2 * written(changed(generate__omega=0)))


def test_samples_are_written_anew_but_their_prompt_is_read_once() -> None:
    once, thrice = (
        generation(changed(generate__samples=n), MODELS.llm, texts(), premises=9, number_bytes=4)
        for n in (1, 3)
    )
    assert thrice.step_flops == pytest.approx(3 * once.step_flops)
    assert thrice.flops == once.flops


def test_another_kind_of_noise_reads_prompts_of_its_own() -> None:
    one, two = (
        generation(changed(generate__noisy=kind), MODELS.llm, texts(), premises=9, number_bytes=4)
        for kind in ("opposite", "empty")
    )
    assert two.flops == pytest.approx(2 * one.flops)


def test_every_judge_costs_something() -> None:
    def judged(*judges: str) -> float:
        settings = changed(score__judges=judges)
        return scoring(settings, MODELS, texts(), triplets=100, number_bytes=4).all_flops

    alone = {name: judged(name) for name in get_args(AskedJudge)}
    assert judged(*alone, "encoder") == pytest.approx(sum(alone.values()) + judged("encoder"))
    assert min(alone.values()) > judged("encoder") > 0


@pytest.mark.parametrize("model", ["smollm2-135m", "flan-t5-xl"])
def test_one_direction_of_the_likelihood_costs_less_than_both_and_more_than_a_third(
    model: str,
) -> None:
    def judged(name: str) -> float:
        settings = changed(score__judges=(name,))
        models = replace(MODELS, llm=find_model(model).shape)
        return scoring(settings, models, texts(), triplets=100, number_bytes=4).all_flops

    assert judged("likelihood") / 3 < judged("forward") < judged("likelihood")


def test_ten_times_the_corpus_is_ten_times_the_work() -> None:
    small, great = plan(Scenario(1e6)), plan(Scenario(1e7))
    for one, other in zip(small.stages, great.stages, strict=True):
        assert other.flops == pytest.approx(10 * one.flops, rel=0.01)
    assert great.disk > 5 * small.disk


def test_more_devices_make_no_stage_slower_and_training_takes_no_more_than_help() -> None:
    few, many = plan(Scenario(1e7, devices=8)), plan(Scenario(1e7, devices=64))
    for one, other in zip(few.stages, many.stages, strict=True):
        assert other.seconds.expected <= one.seconds.expected
    assert many.stages[-1].devices < 64
    assert many.stages[0].devices == 64


def test_a_cost_is_the_price_of_the_devices_that_work() -> None:
    found = plan(Scenario(1e6, devices=8, price=3.0))
    hours = sum(stage.devices * stage.seconds.expected for stage in found.stages) / 3600
    assert found.cost is not None
    assert found.cost.expected == pytest.approx(3 * hours)
    assert plan(Scenario(1e6)).cost is None


def test_every_time_is_a_range_around_what_is_expected() -> None:
    for stage in plan(Scenario(1e6)).stages:
        assert stage.seconds.low <= stage.seconds.expected <= stage.seconds.high
        assert stage.seconds.low < stage.seconds.high


def test_a_greater_batch_needs_more_memory_and_gradcache_less() -> None:
    def memory(stage: int, **settings: object) -> float:
        return plan(Scenario(1e6), changed(**settings)).stages[stage].memory or 0

    assert memory(0, generate__batch_premises=256) > memory(0)
    assert memory(-1, train__batch_triplets=1024) > memory(-1)
    cached = memory(-1, train__batch_triplets=1024, train__mini_batch_triplets=32)
    assert cached < memory(-1)


def test_decoding_is_bound_by_memory_where_batches_are_small() -> None:
    device = find_accelerator("a100", dtype="auto", training_dtype="auto")
    small = changed(generate__batch_premises=32)
    work = generation(small, find_model("qwen2.5-7b").shape, texts(), premises=1e5, number_bytes=2)
    work = replace(work, layers=0)  # kernels that start at once
    slower = replace(device, bandwidth=device.bandwidth / 2)
    seconds = [d.seconds("generate", work, devices=1).low for d in (device, slower)]
    moved = work.step_bytes / device.bandwidth / 0.6
    assert seconds[1] - seconds[0] == pytest.approx(moved, rel=0.01)


def test_here_a_stage_takes_its_fixed_part_and_its_work_shared() -> None:
    lines = {stage: Line(10.0, 1e-12) for stage in ("generate", "score", "train")}
    here = Calibrated(lines, doubt=0.2, number_bytes=4)
    work = generation(SETTINGS, MODELS.llm, texts(), premises=1000, number_bytes=4)
    one, four = (here.seconds("generate", work, devices=n) for n in (1, 4))
    assert one.expected == pytest.approx(10 + 1e-12 * work.all_flops)
    assert four.expected - 10 == pytest.approx((one.expected - 10) / 4)
    assert one.high / one.expected == pytest.approx(1.2)


def test_of_the_longest_stage_the_name_is_told() -> None:
    found = plan(Scenario(1e6), changed(score__judges=["encoder"]))
    longest = max(found.stages, key=lambda stage: stage.seconds.expected)
    assert found.bottleneck == longest.name == "generate"


def test_a_gpu_is_not_planned_in_the_arithmetic_of_processors() -> None:
    with pytest.raises(PipelineError, match=r"int8 is arithmetic of processors, and a100 is none"):
        find_accelerator("a100", dtype="int8", training_dtype="auto")
