from dataclasses import replace
from pathlib import Path

import pytest

from stages.language_models.scripted import ScriptedLanguageModel
from stages.language_models.servers.account import Account, accounted, usage_figures
from stages.language_models.servers.answers import Answers
from stages.language_models.servers.replies import Reply
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
SHORT = Reply("Yes.", finished=True, prompt_tokens=40, completion_tokens=20)


def test_the_address_has_one_slash_between_its_parts() -> None:
    assert SERVER.url == "http://127.0.0.1/v1/chat/completions"


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("https://api.example.com/v1", True),
        ("http://127.0.0.1:8000/v1", True),
        ("http://[::1]:8000/v1", True),
        ("http://localhost/v1", True),
        ("http://localhost.example.com/v1", False),
        ("http://10.0.0.5:8000/v1", False),
    ],
)
def test_what_is_sent_is_private_when_it_is_encrypted_or_stays_here(
    address: str, private: bool
) -> None:
    assert replace(SERVER, base_url=address).private is private


def test_the_cost_is_tokens_times_prices() -> None:
    account = Account(SERVER)
    account.answered(b"", replace(SHORT, prompt_tokens=2_000_000, completion_tokens=500_000))
    assert account.figures()["cost"] == pytest.approx(2 * 0.5 + 0.5 * 2.0)


def test_an_account_counts_on_where_an_earlier_run_stopped(tmp_path: Path) -> None:
    with Answers(tmp_path, model="tiny") as answers:
        first = Account(SERVER)
        first.keep(answers, "generate/1")
        first.asked(again=False)
        first.answered(b"a", SHORT)
    with Answers(tmp_path, model="tiny") as answers:
        second = Account(SERVER)
        second.keep(answers, "generate/1")
        assert second.used == first.used
        before = second.exhausted
        second.answered(b"b", SHORT)
        assert (before, second.exhausted) == (False, True)
        another = Account(SERVER)
        another.keep(answers, "generate/2")
        assert not another.exhausted


def test_a_budget_is_shared_with_processes_at_the_same_work(tmp_path: Path) -> None:
    with Answers(tmp_path, model="tiny") as here, Answers(tmp_path, model="tiny") as there:
        one, other = Account(SERVER), Account(SERVER)
        one.keep(here, "generate/1")
        other.keep(there, "generate/1")
        one.answered(b"a", SHORT)
        other.answered(b"b", SHORT)
        assert other.exhausted


def test_an_answer_that_is_kept_costs_nothing(tmp_path: Path) -> None:
    with Answers(tmp_path, model="tiny") as answers:
        account = Account(SERVER)
        account.keep(answers, "generate/1")
        assert account.find(b"a") is None
        account.answered(b"a", SHORT)
        before = account.used.tokens
        assert account.find(b"a") == SHORT
        assert (account.used.reused, account.used.tokens) == (1, before)


def test_a_model_that_runs_here_has_no_account(tmp_path: Path) -> None:
    model = ScriptedLanguageModel()
    with accounted(model, tmp_path / "generate/1", work=tmp_path):
        pass
    assert usage_figures(model) == {}
    assert list(tmp_path.iterdir()) == []
