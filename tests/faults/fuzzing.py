"""What is fuzzed: every parser of something from outside, with inputs near well-formed ones.

An input may be accepted or refused by the parser's own error; anything else is a crash.
"""

import io
import json
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import httpx2
import polars as pl
from hypothesis import strategies as st
from ruamel.yaml.error import YAMLError

from stages.corpora.benchmarks import read_benchmarks, read_pairs
from stages.corpora.labelled import read_labelled
from stages.corpora.reading import read_sentences
from stages.documents import load_yaml
from stages.errors import PipelineError
from stages.evaluation.tasks.definitions import known_tasks
from stages.evaluation.tasks.loading import load_tasks
from stages.experiments.definitions import parse_definition
from stages.language_models.judging import parse_score
from stages.language_models.prompts import load_prompts
from stages.language_models.servers.replies import UnreadableReply, read_reply
from stages.model_files.gguf_header import check_header
from stages.model_files.licences import find_licence
from stages.model_files.reference import parse_reference
from stages.model_files.trust import check_safetensors, require_trusted
from stages.model_files.wheels import unpack
from stages.params import Params
from stages.params_file import load_params
from stages.tables.json_files import read_json
from stages.tables.reading import read_table
from stages.tables.schemas import PAIRS, SCORED
from stages.tables.spreadsheets import spreadsheet_cell, text_of_cell
from tests.language_models.servers.hostile import completion
from tests.model_files.strange_files import archive, gguf, key, safetensors, tensor, text

ROOT = Path(__file__).parents[2]
SECONDS = 1.0
"""Of processor time; on a busy machine the clock would measure the others."""
TOKENS = (
    *(b"", b"\0", b"\xff", b"\xef\xbb\xbf", b"\r", b"\n", b"\r\n", b"\t", b",", b'"', b'""', b"'"),
    *(b"{", b"}", b"[", b"]", b":", b"null", b"true", b"NaN", b"1e999", b"-1", b"9" * 400, b"0x1"),
    *(b"\\ud800", b"&a ", b"*a", b"<<: ", b"!!python/object:os.system ", b"- ", b"? ", b"| ", b"%"),
    *(b"${data}", b"../", b"/", b"[" * 2000, b"\xff\xff\xff\xff\xff\xff\xff\x7f", b"\0" * 8),
    *("\u2028".encode(), "\u0130".encode(), "e\u0301".encode(), b"=1+1", b"---\n", b"...\n"),
)


@dataclass(frozen=True)
class Target:
    """A parser, and how inputs for it are made.

    Attributes:
        inputs: What is drawn.
        parse: Is given a folder of its own and the input.
        share: Of all inputs, relative to the others: slow parsers get fewer.
    """

    inputs: st.SearchStrategy[Any]
    parse: Callable[[Path, Any], object]
    share: float = 1.0


class HangError(BaseException):
    """A parser took longer than SECONDS."""


@contextmanager
def bounded() -> Iterator[None]:
    """Stop what takes more than SECONDS of processor time."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise HangError

    before = signal.signal(signal.SIGPROF, stop)
    start = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    if time.process_time() - start > SECONDS:
        raise HangError


def survives(target: Target, folder: Path, given: Any) -> None:
    """Parse one input; only the project's own error may come of it, and in time.

    One that takes too long gets a second try: a library may have been loaded on the way.
    """
    try:
        _survives(target, folder, given)
    except HangError:
        _survives(target, folder, given)


def _survives(target: Target, folder: Path, given: Any) -> None:
    refusal: PipelineError | None = None
    try:
        with bounded():
            target.parse(folder, given)
    except PipelineError as error:
        refusal = error
    if refusal is not None:
        assert refusal.cause.strip()
        assert refusal.remedy.strip()
        assert len(str(refusal)) < 20_000


@st.composite
def near(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """Draw one of ``seeds`` with some bytes taken out and some put in, or anything at all."""
    raw = draw(st.sampled_from([*seeds, None]))
    if raw is None:
        return draw(st.binary(max_size=200))
    edits = st.tuples(
        st.integers(0, 2**16),
        st.sampled_from((0, 0, 1, 2, 8, 40, 10_000)),
        st.one_of(st.sampled_from(TOKENS), st.binary(max_size=8)),
    )
    for place, taken, put in draw(st.lists(edits, max_size=4)):
        at = place % (len(raw) + 1)
        raw = raw[:at] + put + raw[at + taken :]
    return raw


def _file(name: str, read: Callable[[Path], object]) -> Callable[[Path, bytes], object]:
    def parse(folder: Path, raw: bytes) -> object:
        path = folder / name
        path.write_bytes(raw)
        return read(path)

    return parse


def _parquet(table: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    return buffer.getvalue()


def _folder_of(read: Callable[[Path], object], *names: str) -> Callable[[Path, bytes], object]:
    def parse(folder: Path, raw: bytes) -> object:
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(raw)
        return read(folder)

    return parse


Parse = Callable[[Path, Any], object]


def _given(call: Callable[[Any], object]) -> Parse:
    return lambda _folder, given: call(given)


def _only(expected: type[Exception], call: Callable[[Any], object]) -> Parse:
    def parse(_folder: Path, given: Any) -> object:
        try:
            return call(given)
        except expected:
            return None

    return parse


def _params(folder: Path, edits: Mapping[tuple[str, ...], object]) -> None:
    """Set some keys of a whole params file to anything."""
    values = json.loads(PARAMS)
    for path, value in edits.items():
        inner = values
        for part in path[:-1]:
            inner = inner.setdefault(part, {}) if isinstance(inner, dict) else {}
        if isinstance(inner, dict):
            inner[path[-1]] = value
    (folder / "params.yaml").write_text(json.dumps(values), encoding="utf-8")
    load_params(folder / "params.yaml")


def _checked_score(answer: str) -> None:
    score = parse_score(answer)
    assert score is None or 0 <= score <= 5


def _cell(given: str) -> None:
    cell = spreadsheet_cell(given)
    assert not cell.startswith(("=", "+", "@", "\t", "\r")) or _number(cell)
    if not set(given) & set("\t\r\n\v\f"):
        assert text_of_cell(cell) == given


def _number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _model_folder(folder: Path, raw: bytes) -> None:
    (folder / "model.safetensors").write_bytes(safetensors())
    for name in ("config.json", "modules.json", "model.safetensors.index.json"):
        (folder / name).write_bytes(raw)
        require_trusted(folder)


PARAMS = json.dumps(load_yaml((ROOT / "profiles/smoke.yaml").read_text(encoding="utf-8")))
SECTIONS = list(Params.model_fields)
KEYS = st.one_of(
    st.sampled_from(
        [
            (section, name)
            for section, values in json.loads(PARAMS).items()
            if isinstance(values, dict)
            for name in values
        ]
    ),
    st.tuples(st.sampled_from(SECTIONS), st.text(max_size=8)),
    st.tuples(st.text(max_size=8)),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=4,
)
PAIR_TABLE = b"subset\tscore\tsentence1\tsentence2\na\t1.5\tOne.\tTwo.\nb\t4\tA cat.\tA dog.\n"
SENTENCE_FRAME = pl.DataFrame({"text": ["One.", None, "\U0001f600 three"], "n": [1, 2, 3]})
SCORED_FRAME = pl.DataFrame(schema=SCORED)
PAIR_FRAME = pl.DataFrame([("a", 1.0, "x", "y"), ("a", 2.0, "z", "w")], schema=PAIRS, orient="row")
TRIPLETS = b"premise,entailment,contradiction\nIt rains.,Water falls.,The sun shines.\n"
PROMPTS = (ROOT / "stages/language_models/prompts/released.yaml").read_bytes()
DEFINITION = (ROOT / "stages/experiments/catalogue/sigma.yaml").read_bytes()
TASKS_YAML = (
    b"group: mine\nkind: classification\ntasks:\n  colours:\n"
    b"    files: {sentences: colours.tsv}\n    folds: 2\n"
)
CARD = b"---\nlicense: other\nlicense_name: mine\ntags: [a, b]\n---\n# A model\n"
GGUF = gguf(
    keys=[
        key("general.architecture", 8, text("llama")),
        key("general.alignment", 4, b"\x20\0\0\0"),
    ],
    tensors=[tensor("w", [2]), tensor("v", [32], kind=2, place=32)],
    data=bytes(64),
)
REPLY = completion("4.5").encode()
CONFIG = b'{"model_type": "bert", "auto_map": {}}'
INDEX = b'{"weight_map": {"w": "model.safetensors"}}'
MODULES = b'[{"idx": 0, "path": "", "type": "sentence_transformers.models.Transformer"}]'


def _made_zip() -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        made = archive(Path(folder) / "m.whl", {"p/a": b"1" * 50, "p/b/c": b"2"}, compress=True)
        return made.read_bytes()


_ZIP = _made_zip()

TARGETS: dict[str, Target] = {
    "txt": Target(
        near([b"One.\nTwo.\r\n\n"]), _file("s.txt", partial(read_sentences, column=None))
    ),
    "csv": Target(
        near([b'text,n\n"One, two",1\nThree,2\n']),
        _file("s.csv", partial(read_sentences, column="text")),
    ),
    "tsv": Target(
        near([b"text\tn\nOne\t1\nTwo\t2\n"]), _file("s.tsv", partial(read_sentences, column="text"))
    ),
    "jsonl": Target(
        near([b'{"text": "One."}\n\n{"text": null, "n": 1}\n']),
        _file("s.jsonl", partial(read_sentences, column="text")),
    ),
    "parquet": Target(
        near([_parquet(SENTENCE_FRAME)]), _file("s.parquet", partial(read_sentences, column="text"))
    ),
    "benchmark": Target(
        near([PAIR_TABLE]),
        _file("b.tsv", read_pairs),
    ),
    "benchmark folder": Target(
        near([PAIR_TABLE]), _folder_of(read_benchmarks, "a.tsv", "sts/b.tsv"), share=0.5
    ),
    "labelled": Target(
        near([TRIPLETS]),
        _file("l.csv", partial(read_labelled, max_characters=99)),
    ),
    "task definitions": Target(
        near([TASKS_YAML]), _file("tasks.yaml", lambda p: known_tasks(p.parent)), share=0.1
    ),
    "graded pairs of a task": Target(
        near([PAIR_TABLE, _parquet(PAIR_FRAME)]),
        _folder_of(lambda folder: load_tasks(folder, ["own"]), "a.tsv", "b.parquet"),
        share=0.1,
    ),
    "params by key": Target(
        st.dictionaries(KEYS, VALUES, min_size=1, max_size=4), _params, share=0.15
    ),
    "params as text": Target(
        near([b"profile: x\nmodels:\n  llm: {reference: 'scripted:', sha256: null}\n"]),
        _file("params.yaml", load_params),
    ),
    "YAML": Target(
        near([b"a: &x [1, 2.5, ~]\nb: *x\nc: {d: 2020-01-01, e: 0o17}\n? [f]\n: !!str g\n"]),
        _only(YAMLError, lambda raw: load_yaml(raw.decode("utf-8", errors="replace"))),
    ),
    "model references": Target(
        st.one_of(
            st.text(max_size=60),
            st.from_regex(r"(pypi|hub|path|random|scripted|api):[\w./=@+-]{0,60}", fullmatch=True),
        ),
        _given(parse_reference),
        share=1.5,
    ),
    "wheels": Target(
        near([_ZIP]),
        _file("m.whl", lambda path: unpack(path, "p", path.parent / "out" / path.name)),
    ),
    "licences": Target(
        near([CARD]),
        _file("README.md", lambda path: find_licence(path.parent)),
    ),
    "GGUF header": Target(
        near([GGUF]),
        _file("m.gguf", check_header),
        share=1.5,
    ),
    "safetensors header": Target(
        near([safetensors()]),
        _file("m.safetensors", partial(check_safetensors, where="m")),
        share=1.5,
    ),
    "model configurations": Target(
        near(
            [
                b'{"model_type": "bert", "auto_map": {}}',
                MODULES,
                b'{"weight_map": {"w": "model.safetensors"}}',
            ]
        ),
        _model_folder,
    ),
    "answers of a judge": Target(
        st.one_of(st.text(max_size=30), st.from_regex(r"\s*[\d٣]+[.,]?\d*\.?\s*", fullmatch=True)),
        _given(_checked_score),
        share=1.5,
    ),
    "replies of a server": Target(
        near([REPLY, completion("x", chat=False).encode()]),
        _only(
            UnreadableReply,
            lambda raw: read_reply(
                httpx2.Response(200, content=raw, request=httpx2.Request("POST", "http://x")),
                max_tokens=32,
            ),
        ),
        share=1.5,
    ),
    "prompts": Target(
        near([PROMPTS]), _file("prompts.yaml", lambda path: load_prompts(str(path))), share=0.1
    ),
    "experiment definitions": Target(
        near([DEFINITION]),
        _given(lambda raw: parse_definition(raw.decode("utf-8", errors="replace"), name="mine")),
        share=0.1,
    ),
    "tables of stages": Target(
        near([_parquet(SCORED_FRAME)]), _file("t.parquet", partial(read_table, schema=SCORED))
    ),
    "records of stages": Target(
        near([b'{"a": [1, 2.5, null]}']),
        _file("r.json", read_json),
    ),
    "spreadsheet cells": Target(
        st.one_of(st.text(max_size=20), st.from_regex(r"[ '\"]*[=+@\-][\w\-]*", fullmatch=True)),
        _given(_cell),
        share=1.5,
    ),
}


def examples(target: Target, total: int) -> int:
    """Return how many of ``total`` inputs this target gets, at least one."""
    shares = sum(one.share for one in TARGETS.values())
    return max(1, round(total * target.share / shares))
