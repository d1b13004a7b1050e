from hypothesis import given
from hypothesis import strategies as st

from stages.tables.spreadsheets import spreadsheet_cell, text_of_cell


@given(st.text())
def test_a_cell_for_people_is_never_run_and_can_be_read_back(text: str) -> None:
    cell = spreadsheet_cell(text)
    assert not set(cell) & set("\t\r\n\v\f")
    if cell.lstrip(' "')[:1] in set("=+-@"):
        float(cell)  # only numbers begin so
    if not set(text) & set("\t\r\n\v\f"):
        assert text_of_cell(cell) == text
