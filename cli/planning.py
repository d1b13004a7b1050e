"""From the options of `multicsr plan` to plans: which corpus, models and machine are meant."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml.error import YAMLError

from cli.calibrating import Trial, calibrate, dev_pairs, lengths, sample_size
from cli.machine import core_count, describe_machine, processor_flags, total_memory
from stages.corpora.reading import read_sentences
from stages.documents import load_yaml
from stages.errors import PipelineError
from stages.params import Params
from stages.params_file import faults_of, load_params
from stages.planning import calibration
from stages.planning.estimating import Plan, Scenario, make_plan
from stages.planning.models import Model, find_model, model_in_force
from stages.planning.sampling import evenly
from stages.planning.speed import (
    BANDWIDTH_REACHED,
    HALVES,
    HERE,
    UTILISATION,
    Accelerator,
    Speed,
    accelerators,
    find_accelerator,
    this_processor,
)
from stages.planning.texts import (
    CHARACTERS_A_TOKEN,
    MOST_SAMPLED,
    Corpus,
    Ratios,
    characters_a_token,
    corpus_of,
)
from stages.planning.workload import Models, Settings

FOLDERS = {name: Path("models") / name for name in ("llm", "base", "guide", "nli")}
TIMED = ("generate", "score", "train")


@dataclass(frozen=True)
class Request:
    """What a person asked for; see :func:`cli.plan_command.plan`."""

    params: Path
    changed: Sequence[str]
    work: Path
    corpus: Path | None
    column: str | None
    premises: Sequence[float]
    characters: float | None
    models: Mapping[str, str | None]
    machine: str
    devices: Sequence[int]
    price: float | None
    kept: float


@dataclass(frozen=True)
class Plans:
    """Plans, and what has to be known to read them."""

    plans: Sequence[Plan]
    notes: Sequence[str]


@dataclass(frozen=True)
class _Project:
    """What the settings say, and the models they name."""

    params: Params
    settings: Settings
    models: Mapping[str, Model]

    @property
    def shapes(self) -> Models:
        return Models(**{name: model.shape for name, model in self.models.items()})

    @property
    def timed(self) -> dict[str, object]:
        """The settings on which the speed depends, by full key."""
        sections = {name: getattr(self.params, name).by_key(name) for name in TIMED}
        return {key: value for section in sections.values() for key, value in section.items()}

    @property
    def identities(self) -> dict[str, str]:
        return {name: model.identity for name, model in self.models.items()}


def plans_of(request: Request) -> Plans:
    """Return a plan for each number of premises and devices.

    Raises:
        PipelineError: When the corpus, a model or the machine is not to be had.
    """
    project = _project(request)
    sentences = [] if request.premises and request.characters else _sentences(request, project)
    corpus = _corpus(request, sentences)
    speed, ratios, notes = _speed(request, project, corpus, sentences)
    texts = lengths(project.settings, corpus.characters, ratios)
    pairs = dev_pairs(project.settings)
    plans = [
        make_plan(
            *(project.settings, project.shapes, texts, speed),
            Scenario(premises, devices, request.kept, request.price, pairs),
        )
        for premises in request.premises or [corpus.premises]
        for devices in request.devices
    ]
    notes = [
        *notes,
        f"premises of {corpus.characters:.0f} characters, {texts.premise:.0f} tokens; answers of "
        f"{texts.answer:.0f}; curation keeps {100 * request.kept:.0f} % (--kept).",
        "`guide` and `train` are the stage train; `tables` are prepare, curate and validate at an "
        "assumed 30 microseconds a row.",
    ]
    if project.settings["score"]["where"] is not None:
        notes.append("`score` is an upper bound: score.where spares judges nobody knows how many.")
    return Plans(plans, [*notes, *_too_large(plans, speed)])


def calibrate_for(request: Request, *, tell: Callable[[str], None]) -> Path:
    """Time this machine on a sample of the corpus; return where that is kept.

    Raises:
        PipelineError: When a model is not here, or a stage fails on the sample.
    """
    project = _project(request)
    for name in ("llm", "base", "guide"):
        if request.models[name] or project.models[name].tokenizer is None:
            raise PipelineError(
                f"the model {project.models[name].name} is not in {FOLDERS[name]}, so nothing can "
                "be timed with it.",
                remedy="`multicsr fetch` brings those of params.yaml; --calibrate takes no others.",
            )
    wanted = sample_size(project.settings)
    sentences = evenly(_sentences(request, project), wanted)
    if len(sentences) < wanted:
        raise PipelineError(
            f"the corpus has {len(sentences)} sentences; a calibration takes {wanted}.",
            remedy="lower generate.batch_premises, or name another corpus with --corpus.",
        )
    trial = Trial(
        settings=project.settings,
        folders={name: folder.absolute() for name, folder in FOLDERS.items()},
        tokenizers={name: model.tokenizer for name, model in project.models.items()},
        models=project.shapes,
        sentences=sentences,
    )
    ratios, timings = calibrate(trial, tell=tell)
    made = calibration.new(
        _machine(), project.identities, project.timed, ratios=ratios, timings=timings
    )
    return calibration.keep(made, request.work)


def _project(request: Request) -> _Project:
    params = _with_changes(load_params(request.params), request.changed)
    models: dict[str, Model] = {}
    for name in ("llm", "base", "guide"):
        given = request.models[name]
        reference = getattr(params.models, name).reference
        models[name] = find_model(given) if given else model_in_force(FOLDERS[name], reference)
    if "nli" in params.score.judges and params.models.nli.reference:
        models["nli"] = model_in_force(FOLDERS["nli"], params.models.nli.reference)
    settings = params.model_dump(by_alias=True)
    return _Project(params, {k: v for k, v in settings.items() if k != "profile"}, models)


def _with_changes(params: Params, changes: Sequence[str]) -> Params:
    """Return the settings with those that a person set for this plan alone."""
    values = params.model_dump(by_alias=True)
    for change in changes:
        key, found, text = change.partition("=")
        *sections, name = key.split(".")
        place: Any = values
        for section in sections:
            place = place.get(section) if isinstance(place, dict) else None
        if not found or not isinstance(place, dict) or name not in place:
            raise PipelineError(
                f"--set {change!r} sets nothing.",
                remedy="write it as SECTION.NAME=VALUE; `multicsr params show` lists them all.",
            )
        try:
            place[name] = load_yaml(text)
        except YAMLError as error:
            raise PipelineError(f"--set {change!r}: {error}", remedy="mend the value.") from error
    if faults := faults_of(values):
        raise PipelineError(f"--set: {'; '.join(faults)}", remedy="mend the value.")
    return Params.model_validate(values)


def _sentences(request: Request, project: _Project) -> list[str]:
    """Return the usable sentences of the corpus, each once."""
    chosen = project.params.prepare
    path = request.corpus or Path(chosen.sentences)
    column = request.column if request.corpus else chosen.column
    try:
        found = read_sentences(path, column=column)
    except PipelineError as error:
        if request.corpus or path.is_file():
            raise
        raise PipelineError(
            error.cause,
            remedy="name a corpus with --corpus, or --premises COUNT and --characters COUNT.",
        ) from error
    lengths_ = found.str.len_chars()
    usable = found.filter((lengths_ > 0) & (lengths_ <= chosen.max_characters))
    distinct = usable.unique(maintain_order=True).to_list()
    return distinct if request.corpus else distinct[: chosen.limit]


def _corpus(request: Request, sentences: Sequence[str]) -> Corpus:
    if sentences:
        found = corpus_of(sentences)
        told = request.characters or found.characters
        return Corpus(found.premises, told, found.spread, found.sampled)
    if not request.premises or not request.characters:
        raise PipelineError(
            "the corpus has no usable sentence.",
            remedy="name another with --corpus, or --premises COUNT and --characters COUNT.",
        )
    return Corpus(request.premises[0], request.characters)


def _speed(
    request: Request, project: _Project, corpus: Corpus, sentences: Sequence[str]
) -> tuple[Speed, Ratios, list[str]]:
    """Return how fast, how long texts are in tokens, and where both come from."""
    made = None
    if request.machine == HERE:
        made = calibration.kept(request.work, _machine(), project.identities)
    if made is None:
        return _by_data_sheet(request, project, sentences)
    here = made.speed(project.timed, corpus)
    notes = [
        f"this machine, timed {made.made} (multicsr plan --calibrate); a run may differ from what "
        f"is expected by {100 * here.doubt:.0f} %."
    ]
    peaks = [f"{name} {made.timings[name][-1].peak_mib / 1024:.1f} GiB" for name in TIMED]
    notes.append(f"main memory at its most while it was timed: {', '.join(peaks)}.")
    if differing := made.differing(project.timed):
        notes.append(f"timed with other settings: {', '.join(differing)}; calibrate again.")
    return here, made.ratios, notes


def _by_data_sheet(
    request: Request, project: _Project, sentences: Sequence[str]
) -> tuple[Speed, Ratios, list[str]]:
    """Return what the operations and an assumed share of the peak say of a device."""
    params = project.params
    if request.machine == HERE:
        device = _this_device(params)
        how = "not timed with these models (`multicsr plan --calibrate` does so)"
    else:
        device = _named(request.machine, params)
        how = "not measured"
    low, high = UTILISATION[-1], UTILISATION[0]
    note = (
        f"{device.name}: {how}. {device.flops / 1e12:.4g} TFLOP/s ({device.source}), of which "
        f"{low:.2f} to {high:.2f} (expected {UTILISATION[1]:.2f}) are assumed to be reached, and "
        f"{BANDWIDTH_REACHED:.1f} of the memory's bandwidth."
    )
    return device, *_counted(project, sentences, note)


def _named(name: str, params: Params) -> Accelerator:
    return find_accelerator(name, dtype=params.generate.dtype, training_dtype=params.train.dtype)


def _this_device(params: Params) -> Accelerator:
    """Return the accelerator of this machine where its figures are known, else its processor."""
    found = _machine()
    words = str(found["accelerator"]).lower().replace("-", " ").split()
    for name in accelerators():
        if name in words:
            return _named(name, params)
    if found["accelerator"]:
        raise PipelineError(
            f"{found['accelerator']} has not been timed, and its figures are not known here.",
            remedy="`multicsr plan --calibrate` times it in about a minute.",
        )
    return this_processor(
        core_count(),
        processor_flags(),
        memory=total_memory(),
        halves=bool(found["bfloat16"]) and params.generate.dtype in HALVES,
    )


def _counted(project: _Project, sentences: Sequence[str], note: str) -> tuple[Ratios, list[str]]:
    sampled = evenly(sentences, MOST_SAMPLED)
    llm, base = (project.models[name].tokenizer for name in ("llm", "base"))
    ratios = Ratios(characters_a_token(llm, sampled), characters_a_token(base, sampled))
    assumed = f"{CHARACTERS_A_TOKEN} characters a token and answers a tenth shorter than premises"
    return ratios, [note, f"assumed where no tokenizer is at hand: {assumed}."]


def _machine() -> dict[str, Any]:
    import torch

    found = describe_machine()
    if torch.cuda.is_available():
        found["device_bytes"] = torch.cuda.get_device_properties(0).total_memory
    return found


def _too_large(plans: Sequence[Plan], speed: Speed) -> list[str]:
    """Say which stages do not fit into a device."""
    if speed.memory is None:
        return []
    stages = {s.name for plan in plans for s in plan.stages if (s.memory or 0) > speed.memory}
    if not stages:
        return []
    return [
        f"does not fit into {speed.memory / 1e9:.0f} GB: {', '.join(sorted(stages))}. Lower "
        "generate.batch_premises, score.batch_triplets or train.mini_batch_triplets."
    ]
