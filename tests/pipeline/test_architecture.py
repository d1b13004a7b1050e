"""The arrows of the house: cli -> verbs -> workshops -> equations."""

import pytest

from tests.pipeline.imports import ROOT, imported, modules

VERBS = {
    f"stages.{verb}"
    for verb in (
        "fetch",
        "prepare",
        "generate",
        "score",
        "curate",
        "validate",
        "train",
        "evaluate",
        "report",
    )
}
PARAMS = {"stages.params", "stages.params_file"}
CONTRACTS = {"stages.documents", "stages.errors", "stages.progress"}
SIDEWAYS = {
    ("training", "encoders"),
    ("evaluation", "corpora"),
    ("evaluation", "encoders"),
    ("encoders", "engines"),
    ("encoders", "model_files"),
    ("language_models", "engines"),
    ("language_models", "model_files"),
    ("training", "engines"),
    ("planning", "engines"),
    ("planning", "language_models"),
    ("planning", "model_files"),
    ("sharing", "encoders"),
    ("judges", "encoders"),
    ("judges", "engines"),
    ("judges", "evaluation"),
    ("judges", "language_models"),
    ("judges", "model_files"),
}


def kind(module: str) -> str:
    if module.startswith("cli"):
        return "cli"
    if module in VERBS:
        return "verb"
    if module in CONTRACTS | PARAMS | {"stages"} or module.startswith("stages.tables"):
        return "contract"
    return module.split(".")[1]


def test_every_verb_is_there() -> None:
    assert set(modules()) >= VERBS
    assert {f"stages.{file.stem}" for file in ROOT.glob("stages/*.py")} == (
        VERBS | CONTRACTS | PARAMS | {"stages.__init__"}
    )


def test_imports_follow_the_arrows() -> None:
    arrows = [(module, target) for module in modules() for target in sorted(imported(module))]
    assert len(arrows) > 500, "so the modules are really looked into"
    against = [(*arrow, why) for arrow in arrows if (why := breach(*arrow)) is not None]
    assert against == []


def breach(module: str, target: str) -> str | None:
    """Say which rule an import breaks."""
    source, sink = kind(module), kind(target)
    if source == "cli":
        return None
    if sink == "cli":
        return "nothing imports the command line"
    if source == "contract":
        return None if sink == "contract" else "contracts know nobody"
    if sink == "verb":
        return "verbs meet in files" if source == "verb" else "no workshop imports a verb"
    return None if source == "verb" else breach_of_workshop(source, target)


def breach_of_workshop(source: str, target: str) -> str | None:
    """Say which rule an import by a workshop breaks."""
    sink = kind(target)
    if target in PARAMS:
        return "workshops take plain values"
    if source == "equations":
        return None if sink == "equations" else "formulas are pure"
    allowed = sink in {"contract", "equations", source} or (source, sink) in SIDEWAYS
    return None if allowed else "not one of the arrows between workshops"


@pytest.mark.parametrize(
    ("module", "target"),
    [
        ("stages.tables.reading", "stages.engines.shards"),
        ("stages.equations.running_mean", "stages.errors"),
        ("stages.engines.shards", "stages.params"),
        ("stages.engines.shards", "stages.generate"),
        ("stages.generate", "stages.score"),
        ("stages.generate", "cli.console"),
        ("stages.corpora.cleaning", "stages.training.loss"),
    ],
)
def test_a_breach_is_seen(module: str, target: str) -> None:
    assert breach(module, target)
