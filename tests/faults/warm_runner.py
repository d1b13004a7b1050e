"""Runs commands of multicsr in forks of a process that has its libraries and models loaded.

A cold start costs seconds, nearly all of them for imports; a fork costs none, so that hundreds of
runs can be killed. What a fork runs is `cli.__main__.main`, as `python -m cli` does, in a folder
of its own; only the loading of the language model is spared, and what it is asked is noted.

A line on stdin holds jobs that run at once, a line on stdout how each of them ended.
"""

import copy
import dataclasses
import functools
import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.file_layer import Fault, arm, steps

ROOT = Path(__file__).parents[2]
SECONDS_BETWEEN_LOOKS = 0.002
LONGEST_RUN = 600.0
"""Seconds after which a run counts as hung, and is killed."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One command.

    Attributes:
        folder: Where it runs; what it says, asks and does with files is noted beside it, in
            FOLDER.said, FOLDER.asked and FOLDER.trace.
        arguments: What stands behind `multicsr`.
        name: Stands before everything that it asks.
        kill_after: Seconds until SIGKILL.
        fault: What the file layer does to files in `folder`.
        traced: Whether the file layer notes every step.
        pace: Seconds that every question to a model takes longer.
        clock: Seconds by which the clock is wrong, in turns: each look at it takes the next.
    """

    folder: str
    arguments: Sequence[str]
    name: str = "run"
    kill_after: float | None = None
    fault: Fault | None = None
    traced: bool = False
    pace: float = 0.0
    clock: Sequence[float] = ()


@dataclass(frozen=True)
class Ended:
    """How a job ended: the exit code, or minus the signal; and after how many seconds."""

    code: int
    seconds: float
    steps: int = 0


class CountingModel:
    """Passes everything on to a language model, and notes the rows first."""

    def __init__(self, model: Any, note: Any) -> None:
        self._model = model
        self._note = note

    @property
    def identity(self) -> str:
        return str(self._model.identity)

    def write(self, requests: Any, decoding: Any) -> Any:
        self._note(request.key for request in requests)
        return self._model.write(requests, decoding)

    def log_likelihoods(self, pairs: Any) -> Any:
        return self._model.log_likelihoods(pairs)


def counting(judge: Any, note: Any) -> Any:
    """Return a copy of ``judge``, still of its own kind, that notes the pairs first."""

    def noting(_: Any, pairs: Any) -> Any:
        note("\t".join(pair) for pair in pairs)
        return judge.judge(pairs)

    counted = copy.copy(judge)
    kind = type("Counting", (type(judge),), {"judge": noting})
    object.__setattr__(counted, "__class__", kind)  # judges are frozen
    return counted


def main() -> None:
    """Load everything, say so, and serve."""
    from stages.language_models import loading

    loading._load_network = functools.cache(loading._load_network)
    _import_everything()
    for folder in sys.argv[1:]:
        loading.load_language_model(Path(folder), dtype="float32")
    _answer("ready")
    for line in sys.stdin:
        jobs = [Job(**{**job, "fault": _fault(job["fault"])}) for job in json.loads(line)]
        _answer(json.dumps([dataclasses.asdict(ended) for ended in run(jobs)]))


def _answer(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _fault(fields: dict[str, Any] | None) -> Fault | None:
    return None if fields is None else Fault(**fields)


def _import_everything() -> None:
    """Import what the stages import on their way; nothing may compute, or forks would hang."""
    import sentence_transformers.sentence_transformer.modules
    import transformers
    import vl_convert

    import cli.__main__
    import stages.generate
    import stages.report
    import stages.reporting.charts.svg
    import stages.score
    import stages.train

    assert all((cli.__main__, stages.generate, stages.report, stages.score, stages.train))
    assert all((transformers.AutoModelForCausalLM, transformers.BertModel, vl_convert))
    assert sentence_transformers.sentence_transformer.modules


def run(jobs: Sequence[Job]) -> list[Ended]:
    """Run ``jobs`` at once and return how each ended."""
    start = time.monotonic()
    running = {_fork(job): place for place, job in enumerate(jobs)}
    ended: dict[int, Ended] = {}
    while len(ended) < len(jobs):
        seconds = time.monotonic() - start
        for pid, place in running.items():
            if place in ended:
                continue
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                code = os.waitstatus_to_exitcode(status)
                ended[place] = Ended(code, round(seconds, 3), _steps_of(jobs[place]))
            elif seconds > (LONGEST_RUN if (k := jobs[place].kill_after) is None else k):
                os.kill(pid, signal.SIGKILL)
        time.sleep(SECONDS_BETWEEN_LOOKS)
    return [ended[place] for place in range(len(jobs))]


def _fork(job: Job) -> int:
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            code = _work(job)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return pid


def _work(job: Job) -> int:
    from cli.__main__ import main as multicsr

    os.setsid()
    os.chdir(job.folder)
    said = os.open(f"{job.folder}.said", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(said, 1)
    os.dup2(said, 2)
    _note_what_is_asked(job)
    if job.clock:
        _set_clock(job.clock)
    if job.fault is not None:
        trace = Path(f"{job.folder}.trace") if job.traced else None
        arm(Path(job.folder), job.fault, trace=trace)
    code = multicsr(job.arguments)
    if job.fault is not None:
        counted = steps()
        arm(Path("/nowhere"), Fault("off"))
        Path(f"{job.folder}.steps").write_text(str(counted))
    return code


def _steps_of(job: Job) -> int:
    path = Path(f"{job.folder}.steps")
    if job.fault is None or not path.is_file():
        return 0
    counted = int(path.read_text())
    path.unlink()
    return counted


def _note_what_is_asked(job: Job) -> None:
    generate: Any = importlib.import_module("stages.generate")
    score: Any = importlib.import_module("stages.score")
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    asked = os.open(f"{job.folder}.asked", flags, 0o644)

    def note(rows: Iterable[str]) -> None:
        os.write(asked, "".join(f"{job.name}\t{row}\n" for row in rows).encode())
        time.sleep(job.pace)

    load_model, load_judge = generate.language_model_at, score.load_judge
    generate.language_model_at = lambda *a, **k: CountingModel(load_model(*a, **k), note)
    score.load_judge = lambda *a, **k: counting(load_judge(*a, **k), note)


def _set_clock(offsets: Sequence[float]) -> None:
    true, looks = time.time, iter(range(10**9))
    time.time = lambda: true() + offsets[next(looks) % len(offsets)]


if __name__ == "__main__":
    main()
    os._exit(0)  # tidying up after large libraries takes long, and there is nothing to keep
