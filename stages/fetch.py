"""Stage ``fetch``: bring the models here.

params models -> models/llm, models/base, models/guide, models/nli
                 models.json    reference, identity and licence of each

Everything later reads these folders only, so the network is needed once.
"""

import logging
from pathlib import Path

from stages.model_files.installing import SOURCE, install, install_nothing
from stages.params import ModelParams, ModelsParams, OptionalModelParams
from stages.progress import Progress, silent
from stages.tables.json_files import read_json, write_json

log = logging.getLogger(__name__)


def run(
    params: ModelsParams,
    *,
    llm: Path,
    base: Path,
    guide: Path,
    nli: Path,
    origins: Path,
    progress: Progress = silent,
) -> None:
    """Install the models of ``params`` into their folders, and write down where they came from."""
    wanted: dict[Path, ModelParams | OptionalModelParams] = {
        llm: params.llm,
        base: params.base,
        guide: params.guide,
        nli: params.nli,
    }
    with progress("fetch", total=len(wanted), unit="models") as advance:
        for folder, model in wanted.items():
            if model.reference is None:
                install_nothing(folder)
            else:
                install(
                    model.reference,
                    sha256=model.sha256,
                    folder=folder,
                    random_encoder=_write_random_encoder,
                )
            log.info("fetch: %s <- %s", folder, model.reference or "nothing, as none is named")
            advance(1)
    named = {"llm": llm, "base": base, "guide": guide, "nli": nli}
    write_json({name: read_json(folder / SOURCE) for name, folder in named.items()}, origins)


def _write_random_encoder(folder: Path, seed: int) -> None:
    # sentence-transformers takes seconds to load, and real models are fetched without it.
    from stages.encoders.tiny import write_random_encoder

    write_random_encoder(folder, seed=seed)
