"""The plan itself: every stage's work, time, memory and room, and which of them takes longest."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from stages.planning.sizes import (
    FLOAT_BYTES,
    guide_bytes,
    judging_memory,
    model_bytes,
    table_bytes,
    training_memory,
    writing_memory,
)
from stages.planning.speed import Seconds, Speed
from stages.planning.texts import Texts
from stages.planning.workload import (
    LOOK_PAIRS,
    Models,
    Settings,
    Work,
    generation,
    guiding,
    scoring,
    training,
)

TABLES = "tables"
"""What prepare, curate and validate do together, on one processor."""
ROW_SECONDS = 30e-6
"""Of each of a corpus' rows in these, assumed: ten million in five minutes."""
ROW_DOUBT = 2.0
"""They may take half or twice as long."""


class Scenario(NamedTuple):
    """What a plan is made for.

    Attributes:
        premises: Sentences of the corpus.
        devices: That work at once.
        kept: Share of the triplets that curation keeps.
        price: Of one device an hour; None where nobody told.
        dev_pairs: Of the benchmark that chooses the checkpoint.
    """

    premises: float
    devices: int = 1
    kept: float = 0.5
    price: float | None = None
    dev_pairs: int = LOOK_PAIRS


@dataclass(frozen=True)
class Stage:
    """What one stage will take.

    Attributes:
        name: generate, score, tables, guide or train (the last two are the stage train).
        items: Premises or triplets.
        tokens: That go through a model.
        flops: Operations.
        seconds: Its range.
        devices: That work at it; more would not make it faster.
        memory: Bytes of each device, None where none is needed.
    """

    name: str
    items: float
    tokens: float
    flops: float
    seconds: Seconds
    devices: int
    memory: float | None


@dataclass(frozen=True)
class Plan:
    """What a corpus will take, all in all."""

    scenario: Scenario
    stages: tuple[Stage, ...]
    disk: float
    """Bytes: tables, shards, the guide's vectors, models and checkpoints."""

    @property
    def seconds(self) -> Seconds:
        """Of all stages, one after another."""
        whole = Seconds(0, 0, 0)
        for stage in self.stages:
            whole = whole.plus(stage.seconds)
        return whole

    @property
    def bottleneck(self) -> str:
        """The stage that takes longest."""
        return max(self.stages, key=lambda stage: stage.seconds.expected).name

    @property
    def cost(self) -> Seconds | None:
        """Price of the devices while they work, as a range; None without a price."""
        if self.scenario.price is None:
            return None
        hours = [
            sum(stage.devices * stage.seconds[end] for stage in self.stages) / 3600
            for end in range(3)
        ]
        return Seconds(*(self.scenario.price * hour for hour in hours))

    @property
    def memory(self) -> float:
        """Bytes of device memory of the stage that needs most."""
        return max(stage.memory or 0 for stage in self.stages)


def make_plan(
    settings: Settings, models: Models, texts: Texts, speed: Speed, scenario: Scenario
) -> Plan:
    """Return the plan of ``scenario``.

    Args:
        settings: Sections of params.yaml.
        models: Shapes of the models.
        texts: Lengths of what is read and written.
        speed: How fast a device is.
        scenario: How much there is to do, and by how many.
    """
    triplets = scenario.premises * settings["generate"]["samples"]
    kept = triplets * scenario.kept
    stages = tuple(_stages(settings, models, texts, speed, scenario))
    tables = table_bytes(texts, premises=scenario.premises, triplets=triplets)
    vectors = guide_bytes(settings, models, kept=kept)
    return Plan(scenario, stages, tables + vectors + model_bytes(models))


def _stages(
    settings: Settings, models: Models, texts: Texts, speed: Speed, scenario: Scenario
) -> Iterator[Stage]:
    devices, numbers = scenario.devices, speed.number_bytes
    triplets = scenario.premises * settings["generate"]["samples"]
    kept = triplets * scenario.kept
    write = generation(
        settings, models.llm, texts, premises=scenario.premises, number_bytes=numbers
    )
    memory = writing_memory(settings, models.llm, texts, number_bytes=numbers)
    yield _shared("generate", write, speed, devices, memory)
    judge = scoring(settings, models, texts, triplets=triplets, number_bytes=numbers)
    memory = judging_memory(settings, models, texts, number_bytes=numbers)
    yield _shared("score", judge, speed, devices, memory)
    rows = ROW_SECONDS * (scenario.premises + triplets) / 2
    spent = Seconds(rows / ROW_DOUBT, rows, rows * ROW_DOUBT)
    yield Stage(TABLES, triplets, 0, 0, spent, 1, None)
    guide = guiding(settings, models, texts, triplets=kept)
    memory = 1e9 + FLOAT_BYTES * models.guide.parameters
    yield _shared("guide", guide, speed, devices, memory)
    learn = training(settings, models, texts, triplets=kept, dev_pairs=scenario.dev_pairs)
    yield _trained(settings, models, texts, speed, devices, learn)


def _shared(name: str, work: Work, speed: Speed, devices: int, memory: float) -> Stage:
    """Return a stage whose shards any number of devices take one by one."""
    seconds = speed.seconds(name, work, devices=devices)
    return Stage(name, work.items, work.tokens, work.all_flops, seconds, devices, memory)


def _trained(
    settings: Settings, models: Models, texts: Texts, speed: Speed, devices: int, work: Work
) -> Stage:
    """Return training on as many devices as make it fastest: a batch can only be cut so far."""
    summed = FLOAT_BYTES * models.base.parameters
    counts = [2**power for power in range(20) if 2**power <= devices]
    most = settings["train"]["batch_triplets"]

    def on(count: int) -> Seconds:
        return speed.seconds("train", work, devices=count, summed_bytes=summed)

    best = min((n for n in {*counts, devices} if n <= most), key=lambda n: (on(n).expected, n))
    memory = training_memory(settings, models, texts, processes=best)
    return Stage("train", work.items, work.tokens, work.all_flops, on(best), best, memory)
