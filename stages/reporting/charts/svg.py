"""Turn a chart into SVG that can stand inside a page: static, named, without clashing ids."""

import re
from collections.abc import Mapping
from xml.etree import ElementTree

import altair as alt
import vl_convert

from stages.reporting.charts.style import CONFIG

SVG = "http://www.w3.org/2000/svg"
VEGA_LITE_VERSION = ".".join(alt.SCHEMA_VERSION.split(".")[:2])
DROPPED_ATTRIBUTES = {"class", "role", "pointer-events", "font-family", "version"}
LONG_DECIMAL = re.compile(r"-?\d+\.\d{3,}(?:e-?\d+)?")
ID_REFERENCE = re.compile(r"url\(#([^)]+)\)")

# A chart of one view or of layers; other kinds cannot be fitted to a width.
Chart = alt.Chart | alt.LayerChart


def render(chart: Chart, *, label: str, prefix: str, width: int, height: int) -> str:
    """Draw ``chart`` as an ``<svg>`` element.

    Args:
        chart: One view or layers of views.
        label: What a person who cannot see the chart is told instead.
        prefix: Put before every id in the drawing; differs between drawings of one page.
        width: Pixels from edge to edge, axes included.
        height: Pixels of the plotting area.

    Returns:
        The element as text. It uses no script, no outside file and no font of its own; text in the
        data is escaped.
    """
    # Altair's own check takes as long as the drawing, and tests draw every chart there is.
    specification = chart.to_dict(validate=False)
    specification |= {"width": width, "height": height}
    specification["autosize"] = {"type": "fit-x", "contains": "padding"}
    drawing = vl_convert.vegalite_to_svg(
        specification, vl_version=VEGA_LITE_VERSION, config=CONFIG, allowed_base_urls=[]
    )
    root = ElementTree.fromstring(drawing)  # noqa: S314 (written by the line above)
    # Vega counts ids through the whole process; counted anew, equal inputs give equal bytes.
    ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    names = {old: f"{prefix}{place}" for place, old in enumerate(ids)}
    for element in root.iter():
        _tidy(element, names=names)
    root.attrib.update({"role": "img", "aria-label": label})
    return ElementTree.tostring(root, encoding="unicode")


def _tidy(element: ElementTree.Element, *, names: Mapping[str, str]) -> None:
    # Names without namespace: inside HTML the parser knows that <svg> children are SVG.
    element.tag = element.tag.removeprefix(f"{{{SVG}}}")
    for name, value in list(element.attrib.items()):
        if name in DROPPED_ATTRIBUTES or name.startswith("aria-"):
            del element.attrib[name]
        elif name == "id":
            element.attrib[name] = names[value]
        elif match := ID_REFERENCE.fullmatch(value):
            element.attrib[name] = f"url(#{names[match[1]]})"
        else:
            element.attrib[name] = LONG_DECIMAL.sub(_shorter, value)


def _shorter(decimal: re.Match[str]) -> str:
    return f"{float(decimal.group()):.2f}".rstrip("0").rstrip(".")
