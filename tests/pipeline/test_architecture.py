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
    if module in CONTRACTS | {"stages", "stages.params"} or module.startswith("stages.tables"):
        return "contract"
    return module.split(".")[1]


ARROWS = [(module, target) for module in modules() for target in sorted(imported(module))]


def test_every_verb_is_there() -> None:
    assert set(modules()) >= VERBS
    assert {f"stages.{file.stem}" for file in ROOT.glob("stages/*.py")} == (
        VERBS | CONTRACTS | {"stages.params", "stages.__init__"}
    )


@pytest.mark.parametrize(("module", "target"), ARROWS, ids=lambda name: name)
def test_an_import_follows_the_arrows(module: str, target: str) -> None:
    source, sink = kind(module), kind(target)
    if source == "cli":
        return
    assert sink != "cli", "nothing imports the command line"
    if source == "verb":
        assert sink != "verb", "verbs meet in files"
    elif source == "contract":
        assert sink == "contract"
    else:
        assert sink != "verb", "no workshop imports a verb"
        assert target != "stages.params", "workshops take plain values"
        if source == "equations":
            assert sink == "equations", "formulas are pure"
        elif sink not in {"contract", "equations", source}:
            assert (source, sink) in SIDEWAYS
