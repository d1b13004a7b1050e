from pathlib import Path

from stages import fetch
from stages.params import ModelsParams
from stages.params_file import load_params
from stages.tables.json_files import read_json

ROOT = Path(__file__).parents[2]


def fetched(params: ModelsParams, into: Path) -> None:
    llm, base, guide, nli = (into / name for name in ("llm", "base", "guide", "nli"))
    origins = into / "models.json"
    fetch.run(params, llm=llm, base=base, guide=guide, nli=nli, origins=origins)


def test_the_models_of_the_smoke_profile_arrive_without_network(tmp_path: Path) -> None:
    params = load_params(ROOT / "profiles/smoke.yaml").models
    fetched(params, tmp_path)
    assert len(list(tmp_path.glob("*/source.json"))) == 4
    assert (tmp_path / "base/model.safetensors").is_file()


def test_where_no_model_is_named_its_folder_holds_nothing_but_that_note(tmp_path: Path) -> None:
    params = load_params(ROOT / "profiles/smoke.yaml").models
    (tmp_path / "nli").mkdir()
    (tmp_path / "nli/model.safetensors").write_bytes(b"of an earlier run")
    fetched(params, tmp_path)
    assert [file.name for file in (tmp_path / "nli").iterdir()] == ["source.json"]
    assert read_json(tmp_path / "nli/source.json")["reference"] is None
