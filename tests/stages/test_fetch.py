from pathlib import Path

from stages import fetch
from stages.params import load_params

ROOT = Path(__file__).parents[2]


def test_the_three_models_of_the_smoke_profile_arrive_without_network(tmp_path: Path) -> None:
    params = load_params(ROOT / "profiles/smoke.yaml").models
    folders = {name: tmp_path / name for name in ("llm", "base", "guide")}
    fetch.run(params, llm=folders["llm"], base=folders["base"], guide=folders["guide"])
    assert all((folder / "source.json").is_file() for folder in folders.values())
    assert (tmp_path / "base/model.safetensors").is_file()
