"""From a definition to its runs: every variant at every place of the grid, with every seed."""

import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.errors import PipelineError
from stages.experiments.definitions import OUTPUT, SEED, Definition, Value, Variant

DATA, INPUTS = "${data}", "${inputs}"
DIGEST_DIGITS = 10
PLAIN = re.compile(r"[A-Za-z/_][\w./@+-]*", re.ASCII)
ESCAPED = {"'": "\\'", "": ""}
NOT_TEXT = {"null", "true", "false", "nan", "inf"}
"""What Hydra reads as something else where it is not quoted."""


@dataclass(frozen=True)
class Run:
    """One run of the pipeline, or of a command.

    Attributes:
        row: The row of the table it belongs to.
        places: Where on each axis it stands.
        seed: Its seed.
        changed: What the definition sets, placeholders kept: this is written down.
        settings: Every setting of the run, nothing left open.
        arguments: Of a command: what stands behind `multicsr`; ``${output}`` is still open.
        name: What DVC calls the experiment; ends in a digest of all that shapes the run.
    """

    row: str
    places: Mapping[str, Value]
    seed: int
    changed: Mapping[str, Value]
    settings: Mapping[str, Value]
    arguments: tuple[str, ...]
    name: str

    @property
    def digest(self) -> str:
        """What two runs with equal settings have in common, whichever experiment they are of."""
        return self.name.rpartition("-")[2]


@dataclass(frozen=True)
class Choice:
    """What a person chooses besides the experiment.

    Attributes:
        scale: Name of the scale.
        seeds: Instead of the scale's; empty takes those.
        data: The folder that ``${data}`` stands for.
        inputs: The folder that ``${inputs}`` stands for.
        settings: Set for all runs, last of all.
    """

    scale: str
    seeds: Sequence[int] = ()
    data: Path | None = None
    inputs: Path | None = None
    settings: Mapping[str, Value] | None = None


def plan(definition: Definition, choice: Choice, *, profile: Mapping[str, Value]) -> list[Run]:
    """Return the runs of ``definition``, seeds innermost.

    Args:
        definition: The experiment.
        choice: Scale, seeds and data.
        profile: Every setting by its full key, as the scale's profile has it; for a command those
            in force, since it works with the project's own models.

    Raises:
        PipelineError: When a setting does not exist, a placeholder stands for nothing, or the
            scale is unknown.
    """
    scale = definition.scale(choice.scale)
    runs = []
    for (variant, places), seed in itertools.product(
        rows_of(definition, choice.scale), choice.seeds or scale.seeds
    ):
        changed = {
            **definition.settings,
            **scale.settings,
            **variant.settings,
            **places,
            **({} if definition.kind == "command" else dict.fromkeys(definition.seeded, seed)),
            **(choice.settings or {}),
        }
        unknown = sorted(set(changed) - set(profile))
        if unknown:
            raise PipelineError(
                f"experiment {definition.name} sets {unknown[0]}, which is no setting.",
                remedy="`multicsr params show` lists them all.",
            )
        values = {"data": choice.data, "inputs": choice.inputs, "seed": seed, **scale.arguments}
        changed = {key: _like(profile[key], value) for key, value in changed.items()}
        settings = {key: _filled(value, values) for key, value in {**profile, **changed}.items()}
        arguments = tuple(str(_filled(word, values)) for word in variant.arguments)
        row = _row_name(variant, places)
        identity = [arguments, _models(settings)] if arguments else [settings]
        name = f"{definition.name}-{_slug(row)}-s{seed}-{digest(identity)}"
        runs.append(Run(row, places, seed, changed, settings, arguments, name))
    return runs


def _models(settings: Mapping[str, Value]) -> dict[str, Value]:
    """Return what decides which models a command finds in models/."""
    return {key: value for key, value in settings.items() if key.startswith("models.")}


def rows_of(definition: Definition, scale: str) -> Iterator[tuple[Variant, dict[str, Value]]]:
    """Yield each variant at each place of the grid: the rows of the table."""
    variants = definition.variants or (Variant(name=" "),)
    for variant in variants:
        axes = definition.axes | variant.axes | definition.scales[scale].axes
        for places in itertools.product(*axes.values()):
            yield variant, dict(zip(axes, places, strict=True))


def _row_name(variant: Variant, places: Mapping[str, Value]) -> str:
    at = [f"{key.rpartition('.')[2]} {told(value)}" for key, value in places.items()]
    return ", ".join(filter(None, [variant.name.strip(), *at]))


def _like(usual: Value, value: Value) -> Value:
    """Return ``value``, as 1.0 and not 1 where the profile has a fraction: DVC tells them apart."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if whole and isinstance(usual, float) else value  # type: ignore[arg-type]


def told(value: Value) -> str:
    """Write a value as params.yaml does.

    >>> told(None), told(True), told(0.5), told(["likelihood", "nli"])
    ('null', 'true', '0.5', '[likelihood, nli]')
    """
    if isinstance(value, list):
        return f"[{', '.join(map(told, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def override(key: str, value: Value) -> str:
    r"""Write a setting as `dvc exp run --set-param` takes it (Hydra's grammar).

    >>> override("train.tau", 0.05), override("prepare.limit", None)
    ('train.tau=0.05', 'prepare.limit=null')
    >>> override("evaluate.tasks", ["sts", "SICK-R.test"]), override("prepare.column", "a b")
    ('evaluate.tasks=[sts,SICK-R.test]', "prepare.column='a b'")
    """
    return f"{key}={_hydra(value)}"


def _hydra(value: Value) -> str:
    if isinstance(value, list):
        return f"[{','.join(map(_hydra, value))}]"
    if isinstance(value, str):
        if PLAIN.fullmatch(value) and value.lower() not in NOT_TEXT:
            return value
        # Of backslashes, only those before a quotation mark stand for themselves when doubled.
        escaped = re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + ESCAPED[found[2]], value)
        return f"'{escaped}'"
    return told(value)


def digest(value: object) -> str:
    """Return hexadecimal digits that change with ``value`` (made of JSON's kinds)."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_DIGITS]


def _slug(text: str) -> str:
    """Return ``text`` as a part of a name that git takes.

    >>> _slug("without Stage 1, omega 0.5")
    'without-stage-1-omega-0.5'
    """
    return re.sub(r"\.{2,}", ".", re.sub(r"[^a-z0-9.]+", "-", text.lower())).strip("-.")[:60]


def _filled(value: Value, values: Mapping[str, object]) -> Value:
    if isinstance(value, list):
        return [str(_filled(entry, values)) for entry in value]
    if not isinstance(value, str) or "${" not in value:
        return value
    return re.sub(r"\$\{(\w+)\}", lambda found: _stands_for(found[0], found[1], values), value)


def _stands_for(placeholder: str, name: str, values: Mapping[str, object]) -> str:
    if placeholder == OUTPUT:
        return placeholder
    if values.get(name) is not None:
        return str(values[name])
    if placeholder == DATA:
        raise PipelineError(
            "the experiment reads real data, but no folder was named.",
            remedy="name it with --data FOLDER; data/README.md says which files it holds.",
        )
    raise PipelineError(
        f"the definition has {placeholder}, which stands for nothing.",
        remedy=f"use {DATA}, {INPUTS} or {SEED}, or name it in arguments of the scale.",
    )


def needed_files(definition: Definition, choice: Choice) -> list[str]:
    """Return the paths below ``${data}`` that the experiment names, each once."""
    scale = definition.scale(choice.scale)
    values: list[Value] = [
        *definition.settings.values(),
        *scale.settings.values(),
        *(value for variant in definition.variants for value in variant.settings.values()),
        *(word for variant in definition.variants for word in variant.arguments),
        *(value for axis in definition.axes.values() for value in axis),
        *(rows.file for rows in definition.inputs.values()),
    ]
    named = [value for value in values if isinstance(value, str) and value.startswith(DATA)]
    return list(dict.fromkeys(name.removeprefix(DATA).strip("/") for name in named))
