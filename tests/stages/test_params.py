from pathlib import Path

import pytest

from stages.errors import PipelineError
from stages.params import choices, settings
from stages.params_file import load_params

ROOT = Path(__file__).parents[2]
GOOD = (ROOT / "params.yaml").read_text(encoding="utf-8")


def faulty(tmp_path: Path, *changes: tuple[str, str]) -> Path:
    text = GOOD
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "profile", sorted((ROOT / "profiles").glob("*.yaml")), ids=lambda p: p.stem
)
def test_every_profile_is_complete_and_named_after_its_file(profile: Path) -> None:
    assert load_params(profile).profile == profile.stem


def test_the_committed_params_are_the_starter_profile() -> None:
    assert load_params(ROOT / "params.yaml") == load_params(ROOT / "profiles/starter.yaml")


def test_all_faults_are_reported_at_once_by_full_key(tmp_path: Path) -> None:
    path = faulty(
        tmp_path, ("  alpha:", "  alhpa:"), ("tau: 0.05", "tau: -1"), ("top_p: 1.0", "top_p: 2")
    )
    with pytest.raises(PipelineError) as caught:
        load_params(path)
    message = str(caught.value)
    assert "curate.alpha: not set" in message
    assert "curate.alhpa: no such setting, did you mean alpha?" in message
    assert "train.tau = -1: Input should be greater than 0" in message
    assert "generate.top_p = 2: Input should be less than or equal to 1" in message


def test_an_unknown_section_suggests_the_nearest(tmp_path: Path) -> None:
    path = faulty(tmp_path, ("\ngenerate:", "\ngenerte:"))
    with pytest.raises(PipelineError, match="generte: no such setting, did you mean generate"):
        load_params(path)


def test_what_is_not_yaml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("a: [1", encoding="utf-8")
    with pytest.raises(PipelineError, match="is not YAML"):
        load_params(path)


def test_a_missing_file_says_where_to_run(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"No such file(.|\n)*--params"):
        load_params(tmp_path / "params.yaml")


def test_every_setting_explains_itself() -> None:
    unexplained = [key for key, field in settings() if not field.description]
    assert unexplained == []


def test_closed_lists_of_values_are_known() -> None:
    fields = dict(settings())
    assert choices(fields["train.objective"]) == ("masked", "supervised", "unsupervised")
    asked = ("generate", "expectation", "likelihood", "forward", "contrast")
    assert choices(fields["score.judges"]) == (*asked, "encoder", "nli")
    assert choices(fields["curate.gamma"]) == ()


@pytest.mark.parametrize(
    ("judges", "fault"),
    [
        ("[]", "at least 1 item"),
        ("[nli, nli]", "a name is given twice"),
        ("[forward, jury]", "'contrast', 'encoder' or 'nli'"),
    ],
)
def test_the_judges_are_some_of_seven_each_once(tmp_path: Path, judges: str, fault: str) -> None:
    path = faulty(tmp_path, ("judges: [likelihood]", f"judges: {judges}"))
    with pytest.raises(PipelineError, match=fault):
        load_params(path)


def test_several_samples_need_sampling(tmp_path: Path) -> None:
    path = faulty(tmp_path, ("samples: 1", "samples: 4"), ("temperature: 0.5", "temperature: 0"))
    with pytest.raises(PipelineError, match="every sample of a premise is the same"):
        load_params(path)


def test_the_judge_nli_needs_a_model_and_is_told_so_before_anything_runs(tmp_path: Path) -> None:
    path = faulty(tmp_path, ("judges: [likelihood]", "judges: [likelihood, nli]"))
    with pytest.raises(PipelineError, match=r"models\.nli\.reference is null"):
        load_params(path)
