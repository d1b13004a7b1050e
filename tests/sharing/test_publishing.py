"""Nothing is sent unless told, nothing dangerous is sent at all."""

from pathlib import Path

import httpx2
import pytest

from stages.errors import PipelineError
from stages.sharing import publishing
from stages.sharing.publishing import check_target, connect, deliver, plan, send


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    folder = tmp_path / "encoder"
    (folder / "1_Pooling").mkdir(parents=True)
    for name, text in {
        "modules.json": "[]",
        "model.safetensors": "weights",
        "1_Pooling/config.json": "{}",
        "README.md": "# Card\n",
    }.items():
        (folder / name).write_text(text)
    return folder


class HubAtHand:
    """Writes down what it is asked, and fails when told to."""

    def __init__(self, fails: Exception | None = None) -> None:
        self.asked: list[tuple[str, object]] = []
        self.fails = fails

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> object:
        assert exist_ok
        self.asked.append((repo_id, private))
        if self.fails:
            raise self.fails
        return None

    def upload_folder(self, *, repo_id: str, folder_path: str, commit_message: str) -> object:
        files = sorted(p.name for p in Path(folder_path).rglob("*") if p.is_file())
        self.asked.append((f"{repo_id}: {commit_message}", files))
        return None


def test_the_plan_lists_every_file_with_its_size(encoder: Path) -> None:
    shipment = plan(encoder)
    assert shipment.files == {
        "1_Pooling/config.json": 2,
        "README.md": 7,
        "model.safetensors": 7,
        "modules.json": 2,
    }
    assert shipment.size == 18


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("pytorch_model.bin", "may be a pickle"),
        ("1_Pooling/optimizer.pt", "may be a pickle"),
        ("modeling.py", "is code"),
        (".env", "is hidden"),
    ],
)
def test_what_does_not_belong_is_refused_by_name(name: str, fault: str, encoder: Path) -> None:
    (encoder / name).write_text("x")
    with pytest.raises(PipelineError, match=f"{name} {fault}"):
        plan(encoder)


def test_links_and_files_over_the_limit_are_refused_at_once(
    encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (encoder / "passwords.txt").symlink_to("/etc/passwd")
    monkeypatch.setattr(publishing, "LARGEST_FILE", 6)
    with pytest.raises(PipelineError, match=r"safetensors is larger.*passwords.txt is a link"):
        plan(encoder)


def test_a_folder_that_is_no_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="is no sentence encoder"):
        plan(tmp_path)


@pytest.mark.parametrize("target", ["encoder", "a/b/c", "path:", "https://a.example/b", "../x"])
def test_a_target_is_owner_and_name_or_a_path(target: str) -> None:
    check_target("me/my-encoder.v2")
    check_target("path:/srv/x")
    with pytest.raises(PipelineError, match="no place to publish to"):
        check_target(target)


def test_a_local_target_gets_the_same_bytes_and_nothing_is_overwritten(
    encoder: Path, tmp_path: Path
) -> None:
    shipment = plan(encoder)
    deliver(shipment, f"path:{tmp_path / 'shelf'}")
    for name in shipment.files:
        assert (tmp_path / "shelf" / name).read_bytes() == (encoder / name).read_bytes()
    with pytest.raises(PipelineError, match="not an empty folder"):
        deliver(shipment, f"path:{tmp_path / 'shelf'}")


def test_a_hub_gets_the_repository_and_one_commit(encoder: Path) -> None:
    hub = HubAtHand()
    send(plan(encoder), "me/encoder", hub=hub, private=True, message="First")
    files = ["README.md", "config.json", "model.safetensors", "modules.json"]
    assert hub.asked == [("me/encoder", True), ("me/encoder: First", files)]


def test_a_refusal_of_the_hub_is_one_clear_error(encoder: Path) -> None:
    hub = HubAtHand(fails=httpx2.ConnectError("no route to the hub"))
    with pytest.raises(PipelineError, match=r"did not take me/encoder: no route(.|\n)*token may"):
        send(plan(encoder), "me/encoder", hub=hub, private=True, message="First")


def test_without_a_token_nothing_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(PipelineError, match=r"no token(.|\n)*hf auth login"):
        connect()
