"""Colours and type of every chart.

Colours are CSS variables, so one drawing is right on light and on dark paper; page.css gives them
values that colour-blind readers tell apart, and shape or position always says the same again.
"""

from typing import Any

INK = "var(--ink)"
QUIET = "var(--quiet)"
LINE = "var(--line)"
PAPER = "var(--paper)"
BASE = "var(--base)"
TRAINED = "var(--trained)"
KEPT = "var(--kept)"
REJECTED = "var(--rejected)"
LIMIT = "var(--limit)"

FONT_PIXELS = 12
# Spearman's correlation is shown in hundredths everywhere.
SPEARMAN = "Spearman \N{MULTIPLICATION SIGN} 100"

CONFIG: dict[str, Any] = {
    "background": None,
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": QUIET,
        "titleColor": QUIET,
        "gridColor": LINE,
        "domainColor": LINE,
        "tickColor": LINE,
        "labelFontSize": FONT_PIXELS,
        "titleFontSize": FONT_PIXELS,
        "titleFontWeight": "normal",
        "labelFontWeight": "normal",
        "titlePadding": 8,
        "tickSize": 4,
        "labelFlush": False,
    },
    "text": {"color": INK, "fontSize": FONT_PIXELS},
}
