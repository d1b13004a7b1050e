"""Fixtures for all tests: the real models, fetched once, and a machine cut off from any hub."""

import logging
import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# Nothing may be asked of a hub, and progress bars of libraries would clutter the output.
os.environ.update(HF_HUB_DISABLE_PROGRESS_BARS="1", DVC_NO_ANALYTICS="1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Tiny models lose more to two threads meeting than they gain, above all on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Speed is measured in tests/benchmarks; a busy machine is no counterexample. `make test-slow` tries
# every property on more examples.
settings.register_profile("quick", deadline=None, max_examples=25)
settings.register_profile("thorough", deadline=None, max_examples=100)
settings.load_profile(os.environ.get("EXAMPLES", "quick"))

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def real_models() -> dict[str, Path]:
    """Folders of the starter profile's models: those of the checkout, or fetched beside them."""
    from stages import fetch
    from stages.params_file import load_params

    folders = {name: ROOT / "models" / name for name in ("llm", "base", "guide")}
    if not all((folder / "source.json").is_file() for folder in folders.values()):
        folders = {name: ROOT / ".work/test-models" / name for name in folders}
    if not all((folder / "source.json").is_file() for folder in folders.values()):
        params = load_params(ROOT / "profiles/starter.yaml").models
        fetch.run(
            params,
            llm=folders["llm"],
            base=folders["base"],
            guide=folders["guide"],
            nli=ROOT / ".work/test-models/nli",
            origins=ROOT / ".work/test-models/models.json",
        )
    return folders


@pytest.fixture(autouse=True)
def _logging_unconfigured() -> None:
    """Undo what a command run in this process has configured: the next test listens for itself."""
    logging.captureWarnings(capture=False)
    for name in ("stages", "cli"):
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def dvc_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DVC cache for all clones of this run: what one of them has computed none computes again."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "dvc-cache"


@pytest.fixture(scope="session")
def premises() -> list[str]:
    """Sentences of the starter corpus."""
    lines = (ROOT / "data/starter/premises.tsv").read_text(encoding="utf-8").splitlines()
    return [line.split("\t")[1] for line in lines[1:]]


def pytest_configure() -> None:
    """Let subprocesses of tests find the project when it is not installed."""
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    assert sys.version_info >= (3, 11)
