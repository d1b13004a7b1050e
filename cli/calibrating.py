"""`multicsr plan --calibrate`: a few real batches of the stages that take long, timed.

Each run is the command itself, in a process of its own: what is timed is what will be paid.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.errors import PipelineError

if TYPE_CHECKING:
    from stages.planning.calibration import Timing
    from stages.planning.texts import Ratios, Texts
    from stages.planning.workload import Models, Settings

MOST_STEPS = 6
"""Of training in the greater run, where looks at the dev set are rare."""


@dataclass(frozen=True)
class Trial:
    """What a calibration runs on.

    Attributes:
        settings: Sections of params.yaml.
        folders: Of llm, base and guide.
        tokenizers: Their tokenizer.json.
        models: Their shapes.
        sentences: Of the corpus, evenly taken.
    """

    settings: "Settings"
    folders: Mapping[str, Path]
    tokenizers: Mapping[str, Path | None]
    models: "Models"
    sentences: Sequence[str]


def calibrate(
    trial: Trial, *, tell: Callable[[str], None]
) -> tuple["Ratios", dict[str, list["Timing"]]]:
    """Time generate, score and train at two sizes each.

    Args:
        trial: On what.
        tell: Told what is being timed.

    Returns:
        What the texts were like, and each stage's runs, the smaller first.

    Raises:
        PipelineError: When a stage fails on the sample.
    """
    with tempfile.TemporaryDirectory(prefix="multicsr-plan-") as scratch:
        return _Runs(trial, Path(scratch), tell).all()


def sample_size(settings: "Settings") -> int:
    """Return how many sentences a calibration takes."""
    return max(sizes(settings, "generate")[1], 8)


def sizes(settings: "Settings", stage: str) -> tuple[int, int]:
    """Return the premises, or triplets, of the two runs of ``stage``.

    Half a batch and two batches; of training one batch, and as many as lie between two looks at
    the dev set and one more: then looks are as frequent as they will be.
    """
    if stage == "train":
        batch = settings["train"]["batch_triplets"]
        return batch, batch * min(MOST_STEPS, 1 + settings["train"]["eval_steps"])
    batch = settings["generate"]["batch_premises"]
    return max(1, batch // 2), 2 * batch


class _Runs:
    """The runs of one calibration in one folder."""

    def __init__(self, trial: Trial, folder: Path, tell: Callable[[str], None]) -> None:
        self._trial = trial
        self._folder = folder
        self._tell = tell
        self._count = 0

    def all(self) -> tuple["Ratios", dict[str, list["Timing"]]]:
        from stages.planning import sampling

        self._prepare()
        runs: dict[str, list[tuple[int, Mapping[str, Any]]]] = {}
        for stage in ("generate", "score", "train"):
            runs[stage] = []
            for rows in sizes(self._trial.settings, stage):
                self._tell(f"timing {stage} with {rows} rows ...")
                source, written = self._path("triplets"), self._path(f"{stage}-{rows}")
                if stage == "generate":
                    sampling.write_sentences(self._trial.sentences[:rows], self._path("sentences"))
                elif stage == "score":
                    sampling.write_first_triplets(source, written, rows=rows)
                else:
                    sampling.write_curated(source, written, rows=rows)
                runs[stage].append((rows, self._timed(stage, written)))
        return self._counted(runs)

    def _prepare(self) -> None:
        """Bring the sample, the settings and the dev pairs into the folder."""
        from ruamel.yaml import YAML

        from stages.planning.sampling import write_sentences

        settings = {name: dict(section) for name, section in self._trial.settings.items()}
        for section in settings.values():  # a batch of the greatest run may be the whole sample
            section.update({key: list(v) for key, v in section.items() if isinstance(v, tuple)})
        dev = settings["train"]["dev"]
        pairs = Path(settings["prepare"]["benchmarks"]) / f"{dev}.tsv"
        if not pairs.is_file():
            raise PipelineError(
                f"{pairs} (train.dev) is not there, so training cannot be timed.",
                remedy="mend prepare.benchmarks and train.dev in params.yaml.",
            )
        (self._folder / "pairs").mkdir()
        (self._folder / "pairs" / pairs.name).write_bytes(pairs.read_bytes())
        text = self._folder / "sample.txt"
        text.write_text("\n".join(self._trial.sentences) + "\n", encoding="utf-8")
        settings["prepare"] |= {
            "sentences": str(text),
            "column": None,
            "where": None,
            "limit": None,
            "benchmarks": str(self._folder / "pairs"),
        }
        settings["evaluate"]["tasks"] = ["own"]
        settings["score"]["where"] = None
        settings["train"] |= {"labelled": False, "limit": None}
        self._params = self._folder / "params.yaml"
        with self._params.open("w", encoding="utf-8") as stream:
            YAML().dump({"profile": "calibration", **settings}, stream)
        self._tell("preparing a sample ...")
        self._run("prepare", "--sentences", self._path("prepared"))
        write_sentences(self._trial.sentences, self._path("sentences"))

    def _timed(self, stage: str, source: Path) -> Mapping[str, Any]:
        """Run a stage on ``source`` and return what its timing file says."""
        timing = self._folder / "timing.json"
        paths: dict[str, Path] = {"llm": self._trial.folders["llm"]}
        paths["guide"] = self._trial.folders["guide"]
        if stage == "generate":
            paths |= {"sentences": self._path("sentences"), "triplets": self._path("triplets")}
            paths["metrics"] = self._folder / "generation.json"
        elif stage == "score":
            paths |= {"triplets": source, "scored": self._path("scored")}
            paths |= {name: self._folder / f"{name}.json" for name in ("metrics", "calibration")}
            paths["nli"] = self._trial.folders["nli"]
        else:
            del paths["llm"]
            paths |= {"curated": source, "base": self._trial.folders["base"]}
            paths |= {"benchmarks": self._folder / "benchmarks"}
            paths |= {name: self._folder / name for name in ("encoder", "training")}
        words = [word for name, path in paths.items() for word in (f"--{name}", path)]
        self._count += 1
        words += ["--work", self._folder / f"work-{self._count}", "--timing", timing]
        self._run(stage, *words)
        found: dict[str, Any] = json.loads(timing.read_text(encoding="utf-8"))
        if stage == "score":
            found["counts"] = json.loads(paths["metrics"].read_text(encoding="utf-8"))
        return found

    def _run(self, stage: str, *words: str | Path) -> None:
        where = ["--labelled", self._path("labelled")] if stage != "score" else []
        if stage == "prepare":
            where += ["--benchmarks", self._folder / "benchmarks"]
            where += ["--metrics", self._folder / "preparation.json"]
        command = [sys.executable, "-m", "cli", "--quiet", stage, *words, *where]
        ended = subprocess.run(  # noqa: S603  our own command, with paths of our own
            [*map(str, command), "--params", str(self._params)],
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode:
            last = (ended.stderr.strip().splitlines() or ["it said nothing."])[-4:]
            raise PipelineError(
                f"{stage} failed on the sample:\n    " + "\n    ".join(last),
                remedy=f"see whether `multicsr {stage}` works, then calibrate again.",
            )

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.parquet"

    def _counted(
        self, runs: Mapping[str, Sequence[tuple[int, Mapping[str, Any]]]]
    ) -> tuple["Ratios", dict[str, list["Timing"]]]:
        """Count what the runs computed."""
        from stages.planning.calibration import Timing
        from stages.planning.sampling import texts_in
        from stages.planning.texts import Ratios, characters_a_token

        premises, answers = texts_in(self._path("triplets"))
        counts = [timing["counts"] for _, timing in runs["score"]]
        asked = [(count["rows"] - count["not_asked"]) / count["rows"] for count in counts]
        ratios = Ratios(
            llm=characters_a_token(self._trial.tokenizers["llm"], [*premises, *answers]),
            encoder=characters_a_token(self._trial.tokenizers["base"], [*premises, *answers]),
            answer=len(premises) * sum(map(len, answers)) / len(answers) / sum(map(len, premises)),
            judged=asked[-1],
            measured=True,
        )
        timings = {
            stage: [
                Timing(
                    items=rows,
                    flops=self._flops(stage, rows, premises, replace(ratios, judged=share)),
                    seconds=timing["seconds"],
                    peak_mib=timing["peak_mib"],
                )
                for (rows, timing), share in zip(timed, asked, strict=True)
            ]
            for stage, timed in runs.items()
        }
        return ratios, timings

    def _flops(self, stage: str, rows: int, premises: Sequence[str], ratios: "Ratios") -> float:
        from stages.planning import workload

        settings, models = self._trial.settings, self._trial.models
        read = premises[: rows * settings["generate"]["samples"]]
        texts = lengths(settings, sum(map(len, read)) / len(read), ratios)
        if stage == "generate":
            work = workload.generation(settings, models.llm, texts, premises=rows, number_bytes=4)
            return work.all_flops
        if stage == "score":
            work = workload.scoring(settings, models, texts, triplets=rows, number_bytes=4)
            return work.all_flops
        pairs = dev_pairs(settings)
        learn = workload.training(settings, models, texts, triplets=rows, dev_pairs=pairs)
        guide = workload.guiding(settings, models, texts, triplets=rows)
        return learn.all_flops + guide.all_flops


def lengths(settings: "Settings", characters: float, ratios: "Ratios") -> "Texts":
    """Return the lengths that follow from premises of ``characters`` under ``settings``."""
    from stages.language_models.prompts import load_prompts
    from stages.planning.texts import texts_of

    return texts_of(
        characters,
        ratios=ratios,
        prompts=load_prompts(settings["generate"]["prompts"]),
        max_new_tokens=settings["generate"]["max_new_tokens"],
        max_tokens=settings["train"]["max_tokens"],
    )


def dev_pairs(settings: "Settings") -> int:
    """Return the pairs of train.dev, and a usual number where the file is not there."""
    from stages.planning.workload import LOOK_PAIRS

    path = Path(settings["prepare"]["benchmarks"]) / f"{settings['train']['dev']}.tsv"
    if not path.is_file():
        return LOOK_PAIRS
    with path.open("rb") as stream:
        return max(1, sum(1 for _ in stream) - 1)
