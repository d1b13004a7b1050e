"""YAML from strangers is read, or refused in one line, and never takes long."""

import pytest

from stages.documents import DEEPEST, UnreadableYaml, load_yaml


def test_plain_values_are_read() -> None:
    assert load_yaml("a: [1, 2.5, ~]\nb: {c: yes it is}") == {
        "a": [1, 2.5, None],
        "b": {"c": "yes it is"},
    }


@pytest.mark.parametrize("text", ["[" * 5000, "a: " + "{a: " * 5000, "- " * 400, "? " * 400])
def test_deep_nesting_is_refused_before_it_is_built(text: str) -> None:
    with pytest.raises(UnreadableYaml, match="nested too deeply"):
        load_yaml(text)


def test_what_is_nested_as_deeply_as_allowed_is_read() -> None:
    value = load_yaml("[" * DEEPEST + "]" * DEEPEST)
    for _ in range(DEEPEST - 1):
        (value,) = value
    assert value == []


def test_many_brackets_side_by_side_are_no_depth() -> None:
    assert load_yaml("[" + "[], " * 500 + "]") == [[]] * 500


def test_a_few_lines_that_stand_for_billions_of_values_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    with pytest.raises(UnreadableYaml, match="stands for more than"):
        load_yaml("\n".join(lines))
