import json
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from stages import report as stage
from stages.errors import PipelineError
from stages.params import Params, settings
from stages.params_file import load_params
from stages.reporting.browsing import FIRST_ROWS
from tests.reporting.finished_run import write, write_finished_run
from tests.reporting.hostile_run import SENTINEL, write_hostile_run

PROJECT = Path(__file__).parents[2]
VOID = {"meta", "link", "input", "br", "hr", "img"}
PIECES = {
    "data/sentences.parquet": "not found",
    "data/curated.parquet": "data/curated.parquet",
    "data/rejected.parquet": "data/rejected.parquet",
    "reports/curation.json": "reports/curation.json",
    "reports/quality.json": "reports/quality.json",
    "reports/evaluation.json": "reports/evaluation.json",
    "reports/hardest.json": "reports/hardest.json",
    "reports/space/space.json": "reports/space/space.json",
    "reports/training/steps.tsv": "reports/training/steps.tsv",
    "reports/training/dev.tsv": "reports/training/dev.tsv",
    "reports/training/summary.json": "reports/training/summary.json",
    "reports/timings": "reports/timings/",
}


class Page(HTMLParser):
    """What a test asks about a page: tags in order, ids, text; open and close tags must match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in {"style", "title", "script"}:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module", name="params")
def starter() -> Params:
    return load_params(PROJECT / "params.yaml")


@pytest.fixture(scope="module", name="finished")
def a_finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    write_finished_run(folder)
    return folder


@pytest.fixture(scope="module", name="html")
def its_report(finished: Path, params: Params) -> str:
    return make(finished, params)


@pytest.fixture(scope="module", name="page")
def its_tags_and_words(html: str) -> Page:
    return Page(html)


@pytest.fixture(name="copy")
def a_run_to_change(finished: Path, tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(name="_undrawn")
def without_drawings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the charts out where a test looks at words only: they take most of the time."""
    monkeypatch.setattr("stages.reporting.figures.render", lambda *_, **__: "<svg></svg>")


def make(folder: Path, params: Params) -> str:
    report = folder / "reports" / "report.html"
    stage.run(params, folder=folder, report=report)
    return report.read_text(encoding="utf-8")


def test_the_first_screen_says_what_came_of_it(page: Page) -> None:
    start = page.text[:900]
    assert "The trained encoder is better by 0.90 points" in start
    assert "from 78.49 to 79.39" in start
    assert "excludes zero" in start
    assert "500 sentences · 500 triplets, 220 kept" in start
    assert "15 min 40 s for 8 stages" in start


def test_every_setting_in_force_is_shown_with_its_full_key(page: Page) -> None:
    for key, _ in settings():
        assert (key in page.text) is not key.startswith("engine."), "which shapes no result"


def test_models_are_shown_with_reference_and_checksum(page: Page, params: Params) -> None:
    for _, model in params.models:
        if model.reference is not None:
            assert model.reference in page.text
            assert model.sha256 in page.text


def test_reasons_checks_stages_and_machine_are_shown(page: Page) -> None:
    for words in (
        "the entailment is too far from the premise (a < alpha)",
        "1 failed",
        "1 warned",
        "2 passed",
        "generate 6 min 53 s 1.7 GiB",
        "Example Processor 9000 @ 2.40GHz , 2 cores",
        "torch 2.13.0",
        "dev chose the checkpoint",
    ):
        assert words in page.text


def test_the_vectors_of_the_largest_task_but_the_dev_set_are_drawn(page: Page) -> None:
    assert "STS12: a dot for the median" in page.text
    assert "60 pairs of STS12 , drawn by chance" in page.text
    assert "Cosines by grade of 2 further tasks" in page.text
    assert "uniformity how unevenly all sentences are spread" in page.text
    drawings = [value for name, value in page.attributes if value.startswith("Map of 60 pairs")]
    assert ["in the base" in drawings[0], "in the trained" in drawings[1]] == [True, True]
    lengths = [[float(n) for n in re.findall(r"\d\.\d\d", words)] for words in drawings]
    for alike, unlike in lengths:
        assert alike < unlike


@pytest.mark.slow
@pytest.mark.usefixtures("_undrawn")
def test_graded_pairs_without_a_map_or_bands_are_no_crash(copy: Path, params: Params) -> None:
    path = copy / "reports" / "space" / "space.json"
    alone = {"task": "few", "pairs": 3, "bands": [], "map": None}
    write(path, {"tasks": [alone]})
    assert "Pairs on a map" not in make(copy, params)
    write(path, {"tasks": []})
    assert "No graded pairs were measured" in make(copy, params)


def test_the_wished_number_of_samples_is_shown(page: Page, params: Params) -> None:
    assert page.words.count("premise") == 2 * params.report.samples + FIRST_ROWS


def test_headings_descend_one_step_at_a_time(page: Page) -> None:
    levels = [int(tag[1]) for tag in page.tags if tag in {"h1", "h2", "h3", "h4"}]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_ids_are_unique(page: Page) -> None:
    assert len(page.ids) == len(set(page.ids))


def test_links_and_labels_point_at_something(page: Page) -> None:
    targets = [value[1:] for name, value in page.attributes if name == "href" and value[0] == "#"]
    targets += [value for name, value in page.attributes if name == "aria-labelledby"]
    assert targets
    assert set(targets) <= set(page.ids)


def test_the_page_stands_alone(html: str, page: Page, params: Params) -> None:
    assert not any("//" in value for name, value in page.attributes if name != "src")
    html = re.sub(r'src="data:image/svg\+xml;base64,[A-Za-z0-9+/=]+"', "", html)
    html = html.replace(params.server.base_url, "")  # a setting, shown as text
    assert "http:" not in html
    assert "https:" not in html
    assert "url(" not in html
    assert "@import" not in html
    assert "src=" not in re.sub(r"[a-z]+-src ", "", html)
    assert len(html) < 500_000


def test_every_table_has_a_caption_and_column_headings(page: Page) -> None:
    tables = page.tags.count("table")
    assert tables > 5
    assert page.tags.count("caption") == page.tags.count("thead") == tables


@pytest.mark.slow
def test_equal_inputs_give_equal_bytes(html: str, finished: Path, params: Params) -> None:
    assert make(finished, params) == html


@pytest.mark.usefixtures("_undrawn")
@pytest.mark.slow
def test_another_seed_shows_other_samples(copy: Path, params: Params) -> None:
    other = params.report.model_copy(update={"seed": params.report.seed + 1})
    assert make(copy, params) != make(copy, params.model_copy(update={"report": other}))


@pytest.mark.slow
@pytest.mark.usefixtures("_undrawn")
def test_what_a_server_was_asked_is_told(copy: Path, params: Params) -> None:
    used = {"requests": 2345, "retries": 12, "reused": 678, "cost": 0.1136}
    used |= {"prompt_tokens": 90_123, "completion_tokens": 45_678}
    write(copy / "reports/generation.json", {"rows": 9, "server": used})
    write(copy / "reports/scoring.json", {"rows": 9})
    shown = Page(make(copy, params)).text
    assert "answers reused generate 2,345 12 90,123 45,678 0.1136 678 Over all runs" in shown


@pytest.mark.slow
@pytest.mark.usefixtures("_undrawn")
def test_what_each_worker_made_is_told(copy: Path, params: Params) -> None:
    path = copy / "reports/timings/generate.json"
    worker = {"name": "node-7:4242", "shards": 8, "rows": 1024, "seconds": 200.0, "rate": 5.12}
    write(path, {**json.loads(path.read_text()), "workers": [worker]})
    shown = Page(make(copy, params)).text
    assert "rows a second generate node-7:4242 8 1,024 3 min 20 s 5.12 Of each stage" in shown


@pytest.mark.usefixtures("_undrawn")
def test_no_samples_can_be_asked_for(copy: Path, params: Params) -> None:
    none = params.report.model_copy(update={"samples": 0})
    assert "None to show." in make(copy, params.model_copy(update={"report": none}))


@pytest.mark.usefixtures("_undrawn")
@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.slow
def test_a_missing_piece_leaves_a_note(copy: Path, params: Params, piece: str) -> None:
    missing = copy / piece
    if missing.is_dir():
        shutil.rmtree(missing)
    else:
        missing.unlink()
    assert PIECES[piece] in Page(make(copy, params)).text


@pytest.mark.slow
@pytest.mark.usefixtures("_undrawn")
def test_scores_alone_are_drawn_before_curation(copy: Path, params: Params) -> None:
    (copy / "data" / "curated.parquet").rename(copy / "data" / "scored.parquet")
    (copy / "data" / "rejected.parquet").unlink()
    html = make(copy, params)
    assert 'id="figure-alpha"' in html
    assert "swatch rejected" not in html


@pytest.mark.slow
@pytest.mark.usefixtures("_undrawn")
def test_triplets_that_no_judge_scored_are_no_crash(copy: Path, params: Params) -> None:
    for name in ("curated", "rejected"):
        path = copy / "data" / f"{name}.parquet"
        scores = pl.lit(None, pl.Float64)
        pl.read_parquet(path).with_columns(
            entailment_score=scores, contradiction_score=scores
        ).write_parquet(path)
    assert "No triplet has a score." in make(copy, params)


@pytest.mark.slow
@pytest.mark.usefixtures("_undrawn")
def test_training_that_did_not_help_is_said_so(copy: Path, params: Params) -> None:
    assert "no step beat the base" not in make(copy, params)
    path = copy / "reports" / "training" / "summary.json"
    write(path, json.loads(path.read_text()) | {"best_dev": 86.0, "base_dev": 86.73})
    assert "no step beat the base" in make(copy, params)


@pytest.mark.slow
@pytest.mark.usefixtures("_undrawn")
def test_correlations_that_are_not_defined_are_no_crash(copy: Path, params: Params) -> None:
    path = copy / "reports" / "evaluation.json"
    evaluation = json.loads(path.read_text())
    nothing = {"spearman": None, "low": None, "high": None}
    for row in (evaluation["mean"], *evaluation["tasks"]):
        row.update(trained=nothing, gain=nothing)
    write(path, evaluation)
    assert "The encoder has not been evaluated yet" in make(copy, params)


def test_the_first_file_alone_makes_a_report(
    tmp_path: Path, finished: Path, params: Params
) -> None:
    (tmp_path / "data").mkdir()
    shutil.copy(finished / "data" / "sentences.parquet", tmp_path / "data")
    page = Page(make(tmp_path, params))
    assert "The encoder has not been evaluated yet" in page.text
    assert "500 sentences" in page.text


def test_nothing_at_all_is_an_error_with_a_remedy(tmp_path: Path, params: Params) -> None:
    with pytest.raises(PipelineError, match="no results of any stage") as error:
        make(tmp_path, params)
    assert "dvc repro" in error.value.remedy
    assert not (tmp_path / "reports").exists()


def test_a_broken_file_is_named(copy: Path, params: Params) -> None:
    (copy / "reports" / "evaluation.json").write_text('{"tasks": []}')
    with pytest.raises(PipelineError, match=r"evaluation\.json has another form"):
        make(copy, params)


@pytest.mark.slow
def test_hostile_text_is_shown_as_text(tmp_path: Path, params: Params) -> None:
    write_hostile_run(tmp_path)
    html = make(tmp_path, params)
    page = Page(html)
    assert SENTINEL in page.text
    assert page.tags.count("script") == 2  # the triplets as data, and the script that searches them
    assert page.tags.count("img") == 14  # the experiments' plots; one of 15 is no drawing
    assert not {"iframe", "object", "embed", "base"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "\x00" not in html
    assert "9,999 characters in all" in html or "10,000 characters in all" in html
    assert len(html) < 700_000


@pytest.mark.slow
@pytest.mark.usefixtures("_undrawn")
def test_the_direction_of_a_text_cannot_leave_its_element(tmp_path: Path, params: Params) -> None:
    write_hostile_run(tmp_path)
    html = make(tmp_path, params)
    html = re.sub(r'(?s)<script type="application/json".*?</script>', "", html)  # text for bdi
    outside = "".join(part.partition("</bdi>")[2] for part in html.split("<bdi")[1:])
    assert "\u202e" in html
    assert "\u202e" not in outside
