"""The templates of `dvc plots` draw the same curves as the report: filled in and drawn here."""

from typing import Any

import pytest
import vl_convert
from dvc_render import VegaRenderer
from ruamel.yaml import YAML

from tests.pipeline.imports import ROOT

PLOTS: list[dict[str, Any]] = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["plots"]
TEMPLATES = {plot["template"]: plot for declared in PLOTS for plot in declared.values()}

BANDS = {"task": "STS12", "trained_low": "79", "trained_high": "95", "base": "81"}
"""Further columns of reports/space/agreement.tsv; a template may use more than x and y."""


def drawn(template: str, *, revisions: tuple[str, ...] = ("main", "workspace")) -> str:
    """Return the SVG of a curve as DVC would show it; the cells of its files are text."""
    plot = TEMPLATES[template]
    ((_, y),) = plot["y"].items()
    rows = [
        {plot["x"]: str(step), y: str(80 + (step * (7 + n)) % 11), "rev": revision}
        | (BANDS if template == "agreement" else {})
        for n, revision in enumerate(revisions)
        for step in range(0, 40, 5)
    ]
    renderer = VegaRenderer(
        rows,
        "curve",
        template=plot["template"],
        template_dir=str(ROOT / ".dvc/plots"),
        x=plot["x"],
        y=y,
        title=plot["title"],
        x_label=plot["x_label"],
        y_label=plot["y_label"],
        revs_with_datapoints=list(revisions),
    )
    filled = renderer.get_filled_template()
    assert "<DVC_METRIC_" not in str(filled)
    svg: str = vl_convert.vegalite_to_svg(filled, vl_version="5.20", allowed_base_urls=[])
    return svg


def test_every_plot_has_a_template_of_this_project() -> None:
    assert {f"{name}.json" for name in TEMPLATES} == {
        file.name for file in (ROOT / ".dvc/plots").iterdir()
    }


@pytest.mark.slow
@pytest.mark.parametrize("template", TEMPLATES)
def test_a_curve_is_drawn_for_each_revision_with_its_labels(template: str) -> None:
    svg = drawn(template)
    assert svg.count("mark-line role-mark") > 0
    for words in (TEMPLATES[template]["title"], TEMPLATES[template]["y_label"], "main"):
        assert words in svg
    assert "NaN" not in svg


@pytest.mark.slow
def test_the_dev_curve_marks_base_and_best() -> None:
    svg = drawn("dev", revisions=("main",))
    assert svg.count("mark-rule role-mark") == 1
    assert "stroke-dasharray" in svg


@pytest.mark.slow
def test_the_cosines_by_grade_have_the_middle_half_around_them_and_the_base_dashed() -> None:
    svg = drawn("agreement", revisions=("main",))
    assert svg.count("mark-area role-mark") == 1
    assert svg.count("mark-line role-mark") == 2
    assert svg.count("stroke-dasharray") == 1
    assert "STS12" in svg
