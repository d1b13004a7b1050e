"""What earlier runs left is listed truly and removed only when it is wished."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cli.profiles import profile_path
from stages import generate
from stages.engines.folders import MadeWith, used
from stages.language_models.servers.answers import Answers, answers_folder
from stages.language_models.servers.replies import Reply
from stages.language_models.servers.usage import Usage
from stages.params_file import load_params
from stages.tables.schemas import SENTENCES
from stages.tables.writing import write_table
from tests.cli.running import Run


@pytest.fixture
def generated(project: Path) -> Path:
    """A project on the smoke profile that has generated with two seeds."""
    (project / "params.yaml").write_bytes(profile_path("smoke", project / "profiles").read_bytes())
    rows = {"id": ["a", "b"], "sentence": ["It rains.", "A cat sleeps."], "line": [1, 2]}
    write_table(pl.DataFrame(rows, schema=SENTENCES), project / "data/sentences.parquet")
    (project / "models/llm").mkdir(parents=True)
    source = '{"reference": "scripted:", "identity": "scripted:"}'
    (project / "models/llm/source.json").write_text(source)
    params = load_params(project / "params.yaml")
    for seed in (params.generate.seed, 7):
        generate.run(
            params.generate.model_copy(update={"seed": seed}),
            server=params.server,
            sentences=Path("data/sentences.parquet"),
            labelled=Path("data/labelled.parquet"),
            llm=Path("models/llm"),
            guide=Path("models/guide"),
            triplets=Path("data/triplets.parquet"),
            metrics=Path("reports/generation.json"),
            work=Path(".work"),
        )
    return project


def listed(run: Run, *options: str) -> list[dict[str, Any]]:
    ended = run("work", "list", "--json", *options)
    assert ended.code == 0
    return [json.loads(line) for line in ended.out.splitlines()]


def folders(project: Path) -> list[str]:
    return sorted(path.name for path in (project / ".work/generate").iterdir())


def test_the_list_says_what_todays_settings_would_use(run: Run, generated: Path) -> None:
    records = listed(run)
    assert [record["used_today"] for record in records].count(True) == 1
    assert {record["difference"] for record in records} == {None, "generate.seed was 7"}
    assert {record["rows"]["finished"] for record in records} == {2}
    assert {record["stage"] for record in records} == {"generate"}


def test_the_table_fits_80_columns(run: Run, generated: Path) -> None:
    ended = run("work", "list")
    assert max(map(len, ended.out.splitlines())) <= 80
    assert "2 of 2" in ended.out
    assert "2 folders with" in ended.err


def test_prune_removes_what_today_does_not_use_and_says_so(run: Run, generated: Path) -> None:
    (kept,) = [Path(r["path"]).name for r in listed(run) if r["used_today"]]
    assert run("work", "prune", "--dry-run").code == 0
    assert len(folders(generated)) == 2
    ended = run("work", "prune", "--yes")
    assert ended.code == 0
    assert "1 folders with" in ended.err
    assert "removed in .work" in ended.err
    assert folders(generated) == [kept]
    assert "nothing to remove" in run("work", "prune", "--yes").err
    run("work", "prune", "--all", "--yes")
    assert folders(generated) == []


def test_without_somebody_to_ask_nothing_is_removed(run: Run, generated: Path) -> None:
    ended = run("work", "prune")
    assert ended.code == 2
    assert "--yes" in ended.err
    assert len(folders(generated)) == 2


def test_age_and_stage_narrow_it_down(run: Run, generated: Path) -> None:
    assert "nothing to remove" in run("work", "prune", "--older-than", "1", "--all", "--yes").err
    ended = run("work", "prune", "--stage", "generat", "--yes")
    assert ended.code == 2
    assert "did you mean generate?" in ended.err
    assert len(folders(generated)) == 2


def test_what_is_in_use_or_paid_for_stays(run: Run, generated: Path) -> None:
    paid = generated / ".work/answers/1f/answers.sqlite"
    paid.parent.mkdir(parents=True)
    paid.write_bytes(b"paid for")
    first = generated / ".work/generate" / folders(generated)[0]
    with used(first, stage="generate", made_with=MadeWith()):
        run("work", "prune", "--all", "--yes")
    assert folders(generated) == [first.name]
    assert paid.exists()
    run("work", "prune", "--stage", "answers", "--yes")
    assert not paid.exists()


def test_no_work_is_no_fault(run: Run, project: Path) -> None:
    assert run("work", "list").code == 0
    assert "nothing to remove" in run("work", "prune").err


def test_answers_of_a_server_are_listed_and_stay_until_they_are_named(
    run: Run, generated: Path
) -> None:
    model = "api:tiny at http://127.0.0.1/v1"
    folder = answers_folder(generated / ".work", model)
    with Answers(folder, model=model) as answers:
        answer = Reply("It pours.", finished=True, prompt_tokens=9, completion_tokens=3)
        answers.book("generate/1", Usage(requests=1), answers={b"0" * 32: answer})
    shown = run("work", "list").out
    assert "1 answers" in shown
    assert "api:tiny" in shown
    assert run("work", "prune", "--all", "--yes").code == 0
    assert folder.is_dir()
    assert run("work", "prune", "--all", "--yes", "--stage", "answers").code == 0
    assert not folder.exists()


def test_finished_shards_are_carried_to_a_place_and_back(project: Path, run: Run) -> None:
    shard = Path("generate/0123456789abcdef/shard-000000.parquet")
    (project / ".work" / shard).parent.mkdir(parents=True)
    (project / ".work" / shard).write_bytes(b"a shard")
    place = (project / "place").as_uri()
    assert "pushed 1 files" in run("work", "push", place).err
    assert "pulled 1 files" in run("work", "pull", place, "--work", "elsewhere").err
    assert (project / "elsewhere" / shard).read_bytes() == b"a shard"
    ended = run("work", "push", "ftp://host/work")
    assert ended.code == 2
    assert "ftp://host/work is no address that is understood" in ended.err
