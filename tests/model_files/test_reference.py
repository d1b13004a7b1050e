import pytest

from stages.errors import PipelineError
from stages.model_files.reference import (
    HubReference,
    PathReference,
    PypiReference,
    RandomReference,
    ServiceReference,
    parse_reference,
)

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pypi:a-b==1.2.3/a_b/w.gguf", PypiReference("a-b", "1.2.3", "a_b/w.gguf")),
        (f"hub:org/name-1.5@{COMMIT}", HubReference("org/name-1.5", COMMIT)),
        ("path:../models/mine", PathReference("../models/mine")),
        ("random:7", RandomReference(7)),
        ("scripted:", ServiceReference("scripted:")),
        ("api:some-model", ServiceReference("api:some-model")),
    ],
)
def test_every_form_is_read(text: str, expected: object) -> None:
    assert parse_reference(text) == expected


@pytest.mark.parametrize("text", ["hub:org/name", "hub:org/name@main", "hub:org/name@abc"])
def test_a_hub_reference_must_pin_a_commit(text: str) -> None:
    with pytest.raises(PipelineError, match="does not pin a revision"):
        parse_reference(text)


@pytest.mark.parametrize(
    "text", ["", "bert-base", "pypi:a/b", "pypi:a>=1/b", "path:", "random:x", "http://x"]
)
def test_anything_else_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(PipelineError, match=r"cannot be read(.|\n)*pypi:PACKAGE==VERSION/PATH"):
        parse_reference(text)
