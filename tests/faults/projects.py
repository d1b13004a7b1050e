"""Small projects to break: real models where it says so, few sentences, tiny shards."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
from ruamel.yaml import YAML

from stages.encoders.tiny import write_random_encoder
from stages.tables.json_files import write_json
from stages.tables.schemas import CURATED, LABELLED, SENTENCES, TRIPLETS
from stages.tables.writing import write_table
from tests.reporting.finished_run import write_finished_run
from tests.stages.training_project import NOUNS, ROWS, curated_table, graded_pairs

ROOT = Path(__file__).parents[2]
PREMISES, SHARD_ROWS = 8, 2
PROMPTS = """
entailment:
  - {name: same, prefix: "Write a sentence.\\n", suffix: "Sentence: {sentence}\\nSame:"}
contradiction:
  - {name: opposite, prefix: "Write a sentence.\\n", suffix: "Sentence: {sentence}\\nOpposite:"}
"""
"""Without examples, which take most of the time of so few answers."""
SMALL: dict[str, dict[str, Any]] = {
    "generate": {
        "batch_premises": SHARD_ROWS,
        "shard_premises": SHARD_ROWS,
        "max_new_tokens": 8,
        "prompts": "prompts.yaml",
        "dtype": "float32",
    },
    "score": {"batch_triplets": SHARD_ROWS, "shard_triplets": SHARD_ROWS, "dtype": "float32"},
    "train": {
        "batch_triplets": 8,
        "epochs": 2,
        "eval_steps": 2,
        "max_tokens": 16,
        "dev": "dev",
        "dtype": "float32",
    },
}
OUTPUTS: Mapping[str, tuple[str, ...]] = {
    "generate": ("data/written.parquet", "reports/generation.json"),
    "score": ("data/scored.parquet", "reports/scoring.json", "reports/calibration.json"),
    "train": ("models/encoder", "reports/training/steps.tsv", "reports/training/dev.tsv"),
    "report": ("reports/report.html",),
}
"""What a stage leaves that is the same in every run (train's summary.json holds its seconds).

What generate writes is not what score reads: eight tokens are too few for an answer to end."""


class Project:
    """A folder with all that the stages read.

    Args:
        root: The folder; made if it is not there.
        models: Folders of llm, base and guide; scripted and random ones where there is none.
    """

    def __init__(self, root: Path, models: Mapping[str, Path] | None = None) -> None:
        self.root = root.resolve()
        self.models = models or {}
        self.premises: list[str] = []

    def make(self, premises: list[str]) -> None:
        """Write everything, for as many ``premises`` as are given."""
        self.premises = premises
        self.root.mkdir(parents=True)
        self._write_params()
        (self.root / "prompts.yaml").write_text(PROMPTS, encoding="utf-8")
        if not self.models:
            write_random_encoder(self.root / "models/base", seed=1)
            write_random_encoder(self.root / "models/guide", seed=2)
            write_json(
                {"reference": "scripted:", "identity": "scripted:"},
                self.root / "models/llm/source.json",
            )
        write_finished_run(self.root)
        data = self.root / "data"
        rows = {
            "id": [f"{number:016x}" for number in range(len(premises))],
            "sentence": premises,
            "line": range(len(premises)),
        }
        write_table(pl.DataFrame(rows, schema=SENTENCES), data / "sentences.parquet")
        write_table(self._triplets(), data / "triplets.parquet")
        write_table(pl.DataFrame(schema=LABELLED), data / "labelled.parquet")
        write_table(curated_table(ROWS).select(CURATED.keys()), data / "curated.parquet")
        pairs = graded_pairs([5.0, 4.0, 1.0, 0.5, 4.5, 2.0, 3.0, 0.0][: len(NOUNS)])
        write_table(pairs, data / "benchmarks/dev.parquet")
        for verb in OUTPUTS:
            self.remove_outputs(verb)

    def copy(self, root: Path) -> "Project":
        """Return a project in a new folder ``root`` with the same files, but no unfinished work."""
        shutil.copytree(self.root, root, ignore=shutil.ignore_patterns(".work", "encoder"))
        copied = Project(root, self.models)
        copied.premises = self.premises
        return copied

    def arguments(self, verb: str) -> list[str]:
        """Return the command line that runs ``verb`` here."""
        encoder = "base" if verb == "train" else "llm"
        names = (encoder, "guide") if self.models and verb != "report" else ()
        options = {f"--{name}": str(self.models[name]) for name in names}
        if verb == "generate":
            options["--triplets"] = OUTPUTS[verb][0]
        return [verb, *(word for option in options.items() for word in option)]

    def outputs(self, verb: str) -> dict[str, bytes]:
        """Return the bytes of every file that ``verb`` has written; all must be there."""
        found = self.existing(verb)
        for output in OUTPUTS[verb]:
            assert any(name.startswith(output) for name in found), f"{output} is missing"
        return found

    def existing(self, verb: str) -> dict[str, bytes]:
        """Return the bytes of those of its files that are there."""
        found: dict[str, bytes] = {}
        for output in OUTPUTS[verb]:
            path = self.root / output
            files = sorted(path.rglob("*")) if path.is_dir() else [path]
            found |= {
                str(file.relative_to(self.root)): file.read_bytes()
                for file in files
                if file.is_file()
            }
        return found

    def remove_outputs(self, verb: str) -> None:
        """Remove what ``verb`` writes."""
        for output in OUTPUTS[verb]:
            path = self.root / output
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def litter(self) -> list[str]:
        """Return temporary files that nobody will ever look at again, outside `.work`."""
        return [
            str(path.relative_to(self.root))
            for path in self.root.rglob(".*")
            if ".work" not in path.relative_to(self.root).parts
        ]

    def _triplets(self) -> pl.DataFrame:
        """Return what is scored: finished answers, unlike what so few tokens can say."""
        turned = [self.premises[step:] + self.premises[:step] for step in range(3)]
        rows = {
            "id": [f"{number:016x}" for number in range(len(self.premises))],
            "sample": 0,
            **dict(zip(("premise", "entailment", "contradiction"), turned, strict=True)),
            "entailment_instruction": "same",
            "contradiction_instruction": "opposite",
            "entailment_finished": True,
            "contradiction_finished": True,
        }
        return pl.DataFrame(rows, schema=TRIPLETS)

    def _write_params(self) -> None:
        yaml = YAML()
        profile = "starter" if self.models else "smoke"
        values = yaml.load((ROOT / f"profiles/{profile}.yaml").read_text(encoding="utf-8"))
        for section, changes in SMALL.items():
            values[section] |= changes
        with (self.root / "params.yaml").open("w", encoding="utf-8") as stream:
            yaml.dump(values, stream)
