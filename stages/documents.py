"""YAML from strangers: plain values only, of a size that can be looked through.

A few lines of YAML can stand for billions of values, or for a structure that holds itself; whoever
would show such a value in an error would never end.
"""

from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent

LARGEST_DOCUMENT = 1024**2
"""Characters."""
DEEPEST = 100
"""Lists and mappings within one another."""
OPENING = "[{-?:"
"""What a deeper level may begin with."""
MOST_VALUES = 100_000
"""Values, those counted again that are referred to again."""


class UnreadableYaml(YAMLError):  # noqa: N818  (named like its parent's kin)
    """YAML that is none, or that nobody needs; its text is one line."""


def load_yaml(text: str) -> Any:
    """Return what one YAML document says: texts, numbers, dates, lists and mappings.

    Raises:
        YAMLError: When it is malformed, has tags for anything else, or is beyond the limits above.
    """
    if len(text) > LARGEST_DOCUMENT:
        message = f"it has more than {LARGEST_DOCUMENT:,} characters"
        raise UnreadableYaml(message)
    try:
        _check_depth(text)
        value = YAML(typ="safe", pure=True).load(text)
        _count(value, {})
    except YAMLError as error:
        raise UnreadableYaml(_one_line(error)) from error
    except RecursionError:
        message = "it is nested too deeply"
        raise UnreadableYaml(message) from None
    except Exception as error:
        # Numbers, dates and keys that look like such and are none: whatever their parser raises.
        message = f"{type(error).__name__}: {_one_line(error)}"
        raise UnreadableYaml(message) from error
    return value


def _check_depth(text: str) -> None:
    """Refuse deep nesting before it is built: thousands of brackets take the parser seconds."""
    if sum(map(text.count, OPENING)) <= DEEPEST:
        return
    depth = 0
    for event in YAML(typ="safe", pure=True).parse(text):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > DEEPEST:
            message = "it is nested too deeply"
            raise UnreadableYaml(message)


def _count(value: Any, known: dict[int, int]) -> int:
    """Return how many values there are with all repetitions; -1 in ``known`` is being counted."""
    if not isinstance(value, dict | list | set | tuple):
        return 1
    key = id(value)
    if known.get(key) == -1:
        message = "it holds itself"
        raise UnreadableYaml(message)
    if key not in known:
        known[key] = -1
        inner = [*value, *value.values()] if isinstance(value, dict) else list(value)
        known[key] = 1 + sum(_count(one, known) for one in inner)
    if known[key] > MOST_VALUES:
        message = f"it stands for more than {MOST_VALUES:,} values"
        raise UnreadableYaml(message)
    return known[key]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
