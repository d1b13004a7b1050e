"""All runs of an experiment, one after the other: what is there is kept, what fails is noted."""

import io
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stages.errors import PipelineError
from stages.experiments.definitions import Definition, Value
from stages.experiments.planning import Run
from stages.experiments.recording import DONE, FAILED, OPEN, cases_of, read_record, write_results
from stages.experiments.results import (
    Kept,
    ReadBytes,
    figures,
    files_of,
    git,
    kept_experiments,
    revision,
)
from stages.experiments.running import (
    RunFailedError,
    bring_up_to_date,
    forget,
    run_command,
    run_pipeline,
)
from stages.progress import Progress, silent
from stages.tables.reading import UNREADABLE, read_parquet

log = logging.getLogger(__name__)

Result = dict[str, Any]


@dataclass(frozen=True)
class Session:
    """Where and for what the runs of one experiment are made.

    Attributes:
        definition: The experiment.
        root: The project's folder.
        folder: reports/experiments/NAME, which is written.
        current: Every setting of params.yaml, by full key.
        facts: ``command``, ``scale``, ``seeds``, ``machine`` and ``versions`` for the record.
        progress: Told how many runs are done.
    """

    definition: Definition
    root: Path
    folder: Path
    current: Mapping[str, Value]
    facts: Mapping[str, Any]
    progress: Progress = field(default=silent)

    def output(self, run: Run) -> Path:
        """Return the file that a run of kind ``command`` writes."""
        return self.root / ".work" / "experiments" / "outputs" / f"{run.digest}.json"

    def run_all(self, runs: Sequence[Run], *, again: bool = False) -> list[Result]:
        """Make those of ``runs`` that are not there yet, and write the results after each.

        Args:
            runs: The plan.
            again: Make all of them, also those that are there.

        Returns:
            One result a run, as record.json holds it.
        """
        before = {} if again else self.earlier()
        kept = [] if again else self.kept()
        results = [self._opened(run, before) for run in runs]
        wanting = []
        for place, run in enumerate(runs):
            found = None if again else self.found(run, kept)
            if found is None:
                wanting.append(place)
            else:
                results[place] |= found
        if len(wanting) < len(runs):
            there = len(runs) - len(wanting)
            log.info("experiments: %s of %s runs are there already", there, len(runs))
        write_results(self.folder, self.definition, self._record(results))
        if not wanting:
            return results
        if self.definition.needs is not None:
            bring_up_to_date(self.definition.needs, self.root)
        with self.progress(self.definition.name, total=len(wanting), unit="runs") as advance:
            for number, place in enumerate(wanting, start=1):
                results[place] |= self._made(runs[place], number, len(wanting))
                write_results(self.folder, self.definition, self._record(results))
                advance(1)
        return results

    def kept(self) -> list[Kept]:
        """Return what DVC keeps of runs of this kind; nothing, where that cannot be told."""
        if self.definition.kind == "command":
            return []
        try:
            return kept_experiments(self.root)
        except PipelineError as error:
            log.debug("experiments: nothing is found: %s", error.cause)
            return []

    def found(self, run: Run, experiments: Sequence[Kept]) -> Result | None:
        """Return the figures of a run with the same settings; None where one is wanting."""
        try:
            if self.definition.kind == "command":
                file = self.output(run)
                if file.is_file():
                    return self._figures(lambda _: file.read_bytes()) | {"commit": None}
                return None
            for kept in experiments:
                if kept.name.rpartition("-")[2] == run.digest:
                    result = self._figures_of(kept)
                    if result is not None:
                        return result
        except PipelineError as error:
            log.debug("experiments: %s is incomplete: %s", run.name, error.cause)
        return None

    def earlier(self) -> dict[str, Result]:
        """Return the results of the last record by the runs' names."""
        record = read_record(self.folder) or {"runs": []}
        return {run["name"]: run for run in record["runs"]}

    def _figures_of(self, kept: Kept) -> Result | None:
        try:
            with files_of(self.root, kept.commit) as read:
                result = self._figures(read)
        except PipelineError as error:
            log.debug("experiments: %s is incomplete: %s", kept.name, error.cause)
            return None
        return result | {"commit": kept.baseline}

    def _figures(self, read: ReadBytes) -> Result:
        own, base = figures(self.definition.columns, read)
        result: Result = {"state": DONE, "cause": None, "figures": own, "base": base}
        if self.definition.cases is not None:
            try:
                table = read_parquet(io.BytesIO(read(self.definition.cases.file)))
                result["cases"] = cases_of(self.definition, table)
            except UNREADABLE as error:
                raise PipelineError(
                    f"the run has no readable {self.definition.cases.file}: {error}",
                    remedy="run the experiment again; see its log for what went wrong.",
                ) from error
        return result

    def _made(self, run: Run, number: int, total: int) -> Result:
        log.info("experiments: run %s of %s: %s, seed %s", number, total, run.row, run.seed)
        start = time.perf_counter()
        try:
            self._make(run)
            found = self._figures_after(run)
        except RunFailedError as error:
            log.warning("experiments: %s failed: %s", run.name, error)
            found = {"state": FAILED, "cause": error.cause, "figures": {}, "base": {}}
        return found | {"seconds": round(time.perf_counter() - start, 1)}

    def _make(self, run: Run) -> None:
        definition = self.definition
        if definition.kind == "command":
            run_command(run, output=self.output(run), root=self.root)
            return
        head = git(self.root, "rev-parse", "HEAD")
        taken = [kept for kept in kept_experiments(self.root) if kept.name == run.name]
        if any(kept.baseline == head for kept in taken):
            forget(run.name, self.root)
        run_pipeline(run, target=definition.target, current=self.current, root=self.root)

    def _figures_after(self, run: Run) -> Result:
        """Return the figures of a run that has just ended, or say what it does not tell."""
        try:
            if self.definition.kind == "command":
                file = self.output(run)
                return self._figures(lambda _: file.read_bytes()) | {"commit": None}
            kept = next(one for one in kept_experiments(self.root) if one.name == run.name)
            with files_of(self.root, kept.commit) as read:
                return self._figures(read) | {"commit": kept.baseline}
        except StopIteration:
            cause = f"DVC keeps no experiment {run.name}."
        except PipelineError as error:
            cause = error.cause
        raise RunFailedError(cause, remedy="mend the definition's columns, or look at the log.")

    def _opened(self, run: Run, before: Mapping[str, Result]) -> Result:
        """Return the entry of a run before it is made; seconds of an earlier session stay."""
        return {
            "row": run.row,
            "places": dict(run.places),
            "seed": run.seed,
            "name": run.name,
            "settings": dict(run.changed),
            "arguments": list(self._declared_arguments(run)),
            "state": OPEN,
            "cause": None,
            "seconds": before.get(run.name, {}).get("seconds"),
            "commit": None,
            "figures": {},
            "base": {},
        }

    def _declared_arguments(self, run: Run) -> Sequence[str]:
        for variant in self.definition.variants:
            if variant.name == run.row:
                return variant.arguments
        return ()

    def _record(self, results: Sequence[Result]) -> dict[str, Any]:
        definition = self.definition
        return {
            "experiment": definition.name,
            "title": definition.title,
            "paper": definition.paper,
            "claim": definition.claim.strip(),
            **self.facts,
            "revision": revision(self.root),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "runs": list(results),
        }
