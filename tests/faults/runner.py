"""The other end of warm_runner.py: starts it, gives it jobs, and reads what they asked for."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.faults.file_layer import Fault
from tests.faults.projects import ROOT, Project
from tests.faults.warm_runner import Ended, Job

KILLED = -9


class Runner:
    """Runs verbs in projects, each in a process of its own.

    Args:
        models: Folders of language models to load once.
        layer: The failing file layer, or None.
    """

    def __init__(self, *, models: Iterable[Path] = (), layer: Path | None = None) -> None:
        preload = {} if layer is None else {"LD_PRELOAD": str(layer)}
        quiet = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "NO_COLOR": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.warm_runner", *map(str, models)],
            cwd=ROOT,
            env={**os.environ, **quiet, **preload, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._read() == "ready"

    def close(self) -> None:
        """Let the process end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        assert self._process.wait(timeout=120) == 0
        self._process.stdout.close()

    def run(self, *jobs: Job) -> list[Ended]:
        """Run ``jobs`` at once."""
        assert self._process.stdin is not None
        lines = json.dumps([dataclasses.asdict(job) for job in jobs])
        self._process.stdin.write(f"{lines}\n")
        self._process.stdin.flush()
        return [Ended(**ended) for ended in json.loads(self._read())]

    def verb(self, project: Project, verb: str, **how: Any) -> Ended:
        """Run one verb; ``how`` are fields of Job."""
        (ended,) = self.run(job(project, verb, **how))
        return ended

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the warm runner has ended"
        return line.strip()


def job(project: Project, verb: str, **how: Any) -> Job:
    """Return the job of running ``verb`` in ``project``."""
    return Job(folder=str(project.root), arguments=project.arguments(verb), **how)


def count_steps(runner: Runner, project: Project, verb: str) -> list[str]:
    """Return every call by which ``verb`` changes a file, run once without any fault."""
    ended = runner.verb(project, verb, fault=Fault("count"), traced=True)
    assert ended.code == 0, said(project)
    lines = beside(project, "trace").read_text(encoding="utf-8").splitlines()
    assert len(lines) == ended.steps > 0
    return lines


def said(project: Project) -> str:
    """Return all that runs in ``project`` have said."""
    return beside(project, "said").read_text(encoding="utf-8")


def asked(project: Project) -> list[tuple[str, str]]:
    """Return (name of the run, row) of all that models were asked, in order."""
    lines = beside(project, "asked").read_text(encoding="utf-8").splitlines()
    return [(name, row) for name, _, row in (line.partition("\t") for line in lines)]


def beside(project: Project, ending: str) -> Path:
    """Return the file beside the project's folder."""
    return Path(f"{project.root}.{ending}")


def fresh(unbroken: Project, verb: str) -> Project:
    """Return a project beside ``unbroken`` that has everything but what ``verb`` makes."""
    project = unbroken.copy(unbroken.root.with_name(f"{verb}-{time.monotonic_ns()}"))
    project.remove_outputs(verb)
    return project


def remove(project: Project) -> None:
    """Remove the project and what was noted beside it."""
    shutil.rmtree(project.root)
    for ending in ("said", "asked", "trace", "steps"):
        beside(project, ending).unlink(missing_ok=True)
