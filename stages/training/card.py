"""README.md of the trained encoder: what it is, how to use it, where it comes from."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

HUB_LICENCES = (
    *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-3.0"),
    *("cc-by-sa-4.0", "cc-by-sa-3.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-nc-nd-4.0"),
    *("openrail", "openrail++", "bigscience-openrail-m", "gemma", "llama2", "llama3", "llama3.1"),
    *("llama3.2", "llama3.3", "gpl-2.0", "gpl-3.0", "agpl-3.0", "lgpl-2.1", "lgpl-3.0", "mpl-2.0"),
    *("isc", "zlib", "unlicense", "artistic-2.0", "epl-2.0", "eupl-1.1", "odc-by", "odbl"),
)
"""What the hub takes as `license`; any other is `other`, with its name beside it."""
UNKNOWN = "unknown: its files do not say; look it up before you share the encoder"


@dataclass(frozen=True)
class Origin:
    """What a model card can tell beyond the training run itself.

    Attributes:
        preparation: What `prepare` counted (reports/preparation.json), empty if not known.
        curation: What `curate` counted (reports/curation.json), empty if not known.
        models: Reference, licence and where it is said of each model (reports/models.json).
        revision: Name and value of what tells the project's state, such as the commit.
    """

    preparation: Mapping[str, Any] = field(default_factory=dict)
    curation: Mapping[str, Any] = field(default_factory=dict)
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    revision: Mapping[str, str] = field(default_factory=dict)


def model_card(
    name: str, *, facts: Mapping[str, object], settings: Mapping[str, object], origin: Origin
) -> str:
    """Return README.md for the encoder, with front matter that the hub understands.

    Args:
        name: Name of the folder.
        facts: Of the training run, such as triplets; `dev benchmark`, `base_dev` and `best_dev`
            are told as scores.
        settings: Every training setting.
        origin: Where sentences and models came from.
    """
    scores = {key: facts[key] for key in ("base_dev", "best_dev") if key in facts}
    row = [facts.get(key, "-") for key in ("dev benchmark", "base_dev", "best_dev")]
    rest = {key: value for key, value in facts.items() if key not in scores}
    return f"""---
{_front_matter(origin)}---

# {name}

A sentence encoder trained by multicsr: a language model wrote an entailment and a contradiction for
every premise, judged them, and the encoder learned from the triplets it kept, while a frozen guide
encoder hid false negatives (MultiCSR, arXiv 2310.10962).

```python
from sentence_transformers import SentenceTransformer

encoder = SentenceTransformer("{name}")
vectors = encoder.encode(["A man is playing a guitar.", "Someone plays an instrument."])
print(encoder.similarity(vectors, vectors))
```

## Data

{_table(_data(origin, facts))}

## Scores

Spearman's correlation x 100 on the dev benchmark{_named(facts)}. The weights were chosen on it, so
it flatters them; scores on other benchmarks are not known while training. They are in
`reports/metrics.json` of the project once it has been evaluated.

| dev benchmark | before | after |
|---|---|---|
| {" | ".join(map(str, row))} |

## Where it comes from

{_table({**rest, **_references(origin), **origin.revision})}

## Training settings

{_table(settings)}

## Licences

{_table(_licences(origin))}

They apply to this encoder too: it is made of the base's weights, and its triplets are the language
model's words.

## Limits

It knows the kind of sentences it was trained on. Its triplets were written by a language model
and inherit that model's errors and leanings. Sentences are cut at the longest input of the base.
"""


def _front_matter(origin: Origin) -> str:
    values: dict[str, object] = {
        "library_name": "sentence-transformers",
        "pipeline_tag": "sentence-similarity",
        "tags": ["sentence-transformers", "sentence-similarity", "feature-extraction", "multicsr"],
    }
    base = origin.models.get("base", {})
    if licence := base.get("licence"):
        known = str(licence).lower() in HUB_LICENCES
        values["license"] = str(licence).lower() if known else "other"
        values |= {} if known else {"license_name": str(licence)}
    reference = str(base.get("reference") or "")
    if reference.startswith("hub:"):
        values["base_model"] = reference.removeprefix("hub:").partition("@")[0]
    text = io.StringIO()
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.dump(values, text)
    return text.getvalue()


def _data(origin: Origin, facts: Mapping[str, object]) -> dict[str, object]:
    sentences = origin.preparation.get("sentences", {})
    labelled = origin.preparation.get("labelled", {})
    rows: dict[str, object] = {
        "sentence file": Path(str(sentences.get("file", "not known"))).name,
        "sentences read": sentences.get("read", "not known"),
        "distinct, usable sentences": sentences.get("kept", "not known"),
        "triplets written": origin.curation.get("generated", "not known"),
        "of these kept": origin.curation.get("kept", "not known"),
    }
    if facts.get("labelled"):
        rows["labelled file"] = Path(str(labelled.get("file", "not known"))).name
    return rows


def _references(origin: Origin) -> dict[str, object]:
    return {
        f"{name} reference": model["reference"]
        + (f", sha256 {model['sha256']}" if model.get("sha256") else "")
        for name, model in origin.models.items()
        if model.get("reference")
    }


def _licences(origin: Origin) -> dict[str, object]:
    rows: dict[str, object] = {}
    for name, title in (("base", "base encoder"), ("llm", "language model")):
        model = origin.models.get(name, {})
        licence, source = model.get("licence"), model.get("licence_source")
        rows[title] = f"{licence} ({source})" if licence else UNKNOWN
    return rows


def _named(facts: Mapping[str, object]) -> str:
    return f" `{facts['dev benchmark']}`" if "dev benchmark" in facts else ""


def _table(rows: Mapping[str, object]) -> str:
    lines = [f"| {_cell(name)} | {_cell(value)} |" for name, value in rows.items()]
    return "\n".join(["| what | value |", "|---|---|", *lines])


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
