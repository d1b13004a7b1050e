"""The browser, the reports it opens and the accessibility engine that looks at them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stages import report as stage
from stages.model_files.reference import PypiReference
from stages.model_files.wheels import check_sha256, download_wheel, unpack
from stages.params_file import load_params
from tests.browser.chromium import Page, browsing, find_chromium
from tests.reporting.finished_run import write_finished_run
from tests.reporting.hostile_run import write_hostile_run

PROJECT = Path(__file__).parents[2]
# axe-core comes with this wheel; the wheel's own dependency, a second browser driver, does not.
AXE = PypiReference("axe-playwright-python", "0.1.8", "axe_playwright_python/axe.min.js")
AXE_SHA256 = "fdd263c998388f1a8e67cad02677e612d946248bd44d163be5e8650ea31f95f8"


@pytest.fixture(scope="session", name="page")
def a_browser() -> Iterator[Page]:
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("no Chromium or Chrome is on the PATH")
    with browsing(chromium) as page:
        yield page


@pytest.fixture(scope="session", name="reports")
def three_reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {
        name: _made(tmp_path_factory.mktemp("run"), name)
        for name in ("finished", "hostile", "almost nothing")
    }


@pytest.fixture(params=["finished", "hostile", "almost nothing"], name="report")
def each_report(request: pytest.FixtureRequest, reports: dict[str, Path]) -> Path:
    return reports[request.param]


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Source of axe-core, fetched once from the package index and checked."""
    kept = PROJECT / ".work/test-tools/axe"
    if not (kept / "axe.min.js").is_file():
        wheel = download_wheel(AXE, tmp_path_factory.mktemp("wheel"))
        check_sha256(wheel, AXE_SHA256, reference="axe")
        unpack(wheel, AXE.path, kept)
    return (kept / "axe.min.js").read_text(encoding="utf-8")


def _made(folder: Path, name: str) -> Path:
    (write_hostile_run if name == "hostile" else write_finished_run)(folder)
    if name == "almost nothing":
        for path in folder.rglob("*.*"):
            if path.name != "sentences.parquet":
                path.unlink()
    report = folder / "reports" / "report.html"
    stage.run(load_params(PROJECT / "params.yaml"), folder=folder, report=report)
    return report
