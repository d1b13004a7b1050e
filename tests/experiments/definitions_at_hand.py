"""A small grid, of which each test says only what it is about."""

from stages.experiments.definitions import Definition


def definition(**changes: object) -> Definition:
    values: dict[str, object] = {
        "name": "grid",
        "title": "A grid",
        "paper": "none",
        "claim": "Nothing.",
        "axes": {"train.sigma": [0.8, 0.9]},
        "columns": [{"name": "mean", "title": "mean", "value": "m.json#mean"}],
        "scales": {"starter": {"profile": "starter", "seeds": [1]}},
    }
    return Definition.model_validate(values | changes)
