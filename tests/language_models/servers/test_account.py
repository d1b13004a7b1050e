from pathlib import Path

import pytest

from stages.errors import PipelineError
from stages.language_models.scripted import ScriptedLanguageModel
from stages.language_models.servers.account import Account, Usage, accounted, usage_figures
from stages.language_models.servers.settings import Server

SERVER = Server(
    base_url="http://127.0.0.1/v1/",
    endpoint="chat",
    concurrency=1,
    requests_per_minute=None,
    tokens_per_minute=None,
    timeout_s=1,
    max_attempts=1,
    budget_tokens=100,
    price_per_million_prompt_tokens=0.5,
    price_per_million_completion_tokens=2.0,
)


def test_the_address_has_one_slash_between_its_parts() -> None:
    assert SERVER.url == "http://127.0.0.1/v1/chat/completions"


def test_the_cost_is_tokens_times_prices() -> None:
    account = Account(SERVER, Usage(requests=4, prompt_tokens=2_000_000, completion_tokens=500_000))
    assert account.figures()["cost"] == pytest.approx(2 * 0.5 + 0.5 * 2.0)


def test_an_account_counts_on_where_an_earlier_run_stopped(tmp_path: Path) -> None:
    first = Account(SERVER)
    first.resume(tmp_path / "usage.json")
    first.used.prompt_tokens += 60
    first.save()
    second = Account(SERVER)
    second.resume(tmp_path / "usage.json")
    assert not second.exhausted
    second.used.completion_tokens += 40
    assert second.exhausted


@pytest.mark.parametrize("text", ["{", '{"requests": -1}', '{"requests": 1, "key": "sk"}'])
def test_a_damaged_account_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "usage.json").write_text(text)
    with pytest.raises(PipelineError, match=r"usage\.json"):
        Account(SERVER).resume(tmp_path / "usage.json")


def test_a_model_that_runs_here_has_no_account(tmp_path: Path) -> None:
    model = ScriptedLanguageModel()
    with accounted(model, tmp_path):
        pass
    assert usage_figures(model) == {}
    assert list(tmp_path.iterdir()) == []
