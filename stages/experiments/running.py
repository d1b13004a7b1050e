"""One run, through DVC or as a command: its own process, its own log, nothing of yours touched.

`dvc exp run --temp` works in a copy of the project, so params.yaml, dvc.lock and the files of the
last `dvc repro` stay what they are. What is long survives all the same: shards and vectors lie in
the project's own .work, and stages with equal inputs come out of DVC's run cache.
"""

import contextlib
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ruamel.yaml.error import YAMLError

from stages.documents import load_yaml
from stages.errors import PipelineError
from stages.experiments.definitions import OUTPUT, Value
from stages.experiments.planning import Run, override
from stages.tables.replacing import replacing

log = logging.getLogger(__name__)

SECONDS_TO_STOP = 3.0
"""The stage in it ends within about as many; what DVC tidies up then needs nobody to wait."""
TOLD = re.compile(r"^(Running stage|Stage '|error:|warning:|[a-z]+: )")
"""Lines of a run that are passed on; DVC says much that helps nobody."""


class RunFailedError(PipelineError):
    """One run went wrong; the others may still do."""


def dvc_command(run: Run, *, target: str, current: Mapping[str, Value]) -> list[str]:
    """Return the command of a run: its settings where they differ from ``current``, and its name.

    Args:
        run: The run.
        target: The last stage.
        current: Every setting in force, by full key.
    """
    changed = [
        override(key, value)
        for key, value in run.settings.items()
        if key not in current or current[key] != value
    ]
    settings = [word for setting in changed for word in ("--set-param", setting)]
    return ["dvc", "exp", "run", "--temp", "--name", run.name, *settings, target]


def own_command(run: Run, output: Path) -> list[str]:
    """Return the command of a run that is no pipeline; it writes ``output``."""
    words = [word.replace(OUTPUT, str(output)) for word in run.arguments]
    return ["multicsr", *words]


def run_pipeline(run: Run, *, target: str, current: Mapping[str, Value], root: Path) -> None:
    """Run the pipeline of the project at ``root`` up to ``target`` with the settings of ``run``.

    Raises:
        RunFailedError: When a stage or DVC fails.
    """
    words = dvc_command(run, target=target, current=current)
    with settings_kept(root / "params.yaml", ours=run.settings):
        _call([sys.executable, "-m", *words], root=root, log_file=log_of(run, root))


def run_command(run: Run, *, output: Path, root: Path) -> None:
    """Run a command of multicsr that writes the JSON file ``output``, whole or not at all.

    Raises:
        RunFailedError: When it fails.
    """
    unfinished = output.with_name(f"unfinished-{output.name}")
    output.parent.mkdir(parents=True, exist_ok=True)
    words = own_command(run, unfinished)
    _call([sys.executable, "-m", "cli", *words[1:]], root=root, log_file=log_of(run, root))
    unfinished.replace(output)


def bring_up_to_date(stage: str, root: Path) -> None:
    """Run the pipeline of the project at ``root`` up to ``stage``, with params.yaml as it is.

    Raises:
        RunFailedError: When a stage or DVC fails.
    """
    log_file = root / ".work" / "experiments" / "logs" / f"{stage}.log"
    _call([sys.executable, "-m", "dvc", "repro", stage], root=root, log_file=log_file)


def forget(name: str, root: Path) -> None:
    """Remove the experiment ``name`` of today's commit, so that the name is free."""
    command = [sys.executable, "-m", "dvc", "exp", "remove", name]
    subprocess.run(command, cwd=root, env=_environment(), capture_output=True, check=False)  # noqa: S603


def log_of(run: Run, root: Path) -> Path:
    """Return the file that holds all a run has said."""
    return root / ".work" / "experiments" / "logs" / f"{run.name}.log"


@contextlib.contextmanager
def settings_kept(path: Path, *, ours: Mapping[str, Value]) -> Iterator[None]:
    """Leave ``path`` as it was, also when the block is interrupted.

    DVC writes a run's settings into the project's params.yaml for a moment before it copies them
    away. Stopped in that moment, it may leave them there. What a person writes into the file while
    the block goes on stays: only a file with exactly ``ours`` is put back.
    """
    before = path.read_bytes()
    try:
        yield
    finally:
        if path.read_bytes() != before and settings_of(path) == dict(ours):
            with replacing(path) as temporary:
                temporary.write_bytes(before)


def settings_of(path: Path) -> dict[str, Value]:
    """Return every setting in ``path`` by its full key; none where it is no YAML."""
    try:
        return dict(flat(load_yaml(path.read_text(encoding="utf-8"))))
    except (YAMLError, UnicodeDecodeError):
        return {}


def flat(values: object, prefix: str = "") -> Iterator[tuple[str, Value]]:
    """Yield (full key, value) of every setting.

    >>> dict(flat({"train": {"tau": 0.05}, "profile": "starter"}))
    {'train.tau': 0.05, 'profile': 'starter'}
    """
    if isinstance(values, Mapping):
        for name, value in values.items():
            yield from flat(value, f"{prefix}.{name}" if prefix else str(name))
    else:
        yield prefix, values  # type: ignore[misc]  # what YAML gives at a leaf


def _environment() -> dict[str, str]:
    # Stages call `python`: that of the environment this process runs in, also when its folder is
    # not in the path.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    environment = {**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1"}
    environment.pop("DVC_ROOT", None)
    return environment


def _call(command: Sequence[str], *, root: Path, log_file: Path) -> None:
    log_file.parent.mkdir(parents=True, exist_ok=True)
    # Not `with`: at its end it would wait for as long as DVC takes.
    process = _started(command, root)
    try:
        with log_file.open("w", encoding="utf-8") as written:
            for line in process.stdout or ():
                written.write(line)
                written.flush()
                if TOLD.match(line):
                    log.info("  %s", line.rstrip())
        code = process.wait()
    except BaseException:
        _stop(process)
        raise
    finally:
        if process.stdout is not None:
            process.stdout.close()
    if code:
        raise RunFailedError(
            _cause(log_file), remedy=f"all it said is in {_shown(log_file, root)}."
        )


def _started(command: Sequence[str], root: Path) -> "subprocess.Popen[str]":
    # A session of its own: a signal reaches the whole run when we pass it on, and only then.
    return subprocess.Popen(  # noqa: S603
        command,
        cwd=root,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
        preexec_fn=_heed_interrupts,  # noqa: PLW1509  no threads are at work here
    )


def _heed_interrupts() -> None:
    """Let the run be stopped by us also where this process ignores Ctrl-C: in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _stop(process: "subprocess.Popen[str]") -> None:
    """Let a run end as with Ctrl-C, so that it keeps what it has finished.

    Its stage ends by itself in time. DVC then removes the copy of the project, which may take
    longer than a person waits, so it is left to do that: killed, it would leave the copy there.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(timeout=SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        log.warning("experiments: DVC (process %s) is still tidying up", process.pid)


def _cause(log_file: Path) -> str:
    """Return the line of the log that says best what went wrong."""
    lines = log_file.read_text(encoding="utf-8").splitlines()
    for opening in ("error: ", "ERROR: "):
        said = [line.removeprefix(opening) for line in lines if line.startswith(opening)]
        if said:
            return said[0]
    return lines[-1] if lines else "it ended without a word"


def _shown(path: Path, root: Path) -> Path:
    return path.relative_to(root) if path.is_relative_to(root) else path
