"""Training under Ray: what is said where it cannot be."""

import pickle
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stages.engines.ray_training import _checked_resources, _followed, run_under_ray
from stages.errors import PipelineError, QualityError


def nothing(arguments: dict[str, Any]) -> None:
    """Stand for the work, which is never begun here."""


def test_without_the_extra_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(PipelineError, match=r"pip install 'multicsr\[ray\]'"):
        run_under_ray(nothing, {}, workers=2, address=None, folder=tmp_path, tell=print)


@pytest.mark.cluster
def test_a_cluster_that_is_not_there_is_named(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    with pytest.raises(PipelineError, match=r"no Ray cluster can be reached at 127\.0\.0\.1:9"):
        run_under_ray(
            nothing, {}, workers=2, address="127.0.0.1:9", folder=tmp_path, tell=lambda _: None
        )


@dataclass
class Cluster:
    """All that is asked of Ray about what there is."""

    resources: dict[str, float]

    def cluster_resources(self) -> dict[str, float]:
        return self.resources


@pytest.mark.parametrize(
    ("resources", "named"), [({"CPU": 1.0}, "CPU"), ({"CPU": 9.0, "GPU": 1.0}, "GPU")]
)
def test_more_workers_than_there_is_room_for_are_refused_before_anything_waits(
    resources: dict[str, float], named: str
) -> None:
    with pytest.raises(PipelineError, match=f"--workers 2 asks for as many {named}s"):
        _checked_resources(Cluster(resources), 2)
    assert _checked_resources(Cluster(resources), 1) == (named == "GPU")


@pytest.mark.parametrize("kind", [PipelineError, QualityError])
def test_an_error_comes_whole_from_another_process(kind: type[PipelineError]) -> None:
    sent = kind("x is 3.", remedy="set it to 2.")
    come: PipelineError = pickle.loads(pickle.dumps(sent))
    assert (type(come), come.cause, come.remedy) == (kind, sent.cause, sent.remedy)
    assert str(come) == str(sent)


def test_all_that_is_appended_is_told_in_its_order(tmp_path: Path) -> None:
    told: list[str] = []
    with _followed(tmp_path / "said", told.append), (tmp_path / "said").open("a") as stream:
        for number in range(5):
            stream.write(f"line {number}\n")
            stream.flush()
    assert told == [f"line {number}" for number in range(5)]
