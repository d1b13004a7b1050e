"""Stage ``fetch``: bring the three models here.

params models -> models/llm, models/base, models/guide

Everything later reads these folders only, so the network is needed once.
"""

import logging
from pathlib import Path

from stages.encoders.tiny import write_random_encoder
from stages.model_files.installing import install
from stages.params import ModelsParams
from stages.progress import Progress, silent

log = logging.getLogger(__name__)


def run(
    params: ModelsParams, *, llm: Path, base: Path, guide: Path, progress: Progress = silent
) -> None:
    """Install the three models of ``params`` into their folders."""
    wanted = {llm: params.llm, base: params.base, guide: params.guide}
    with progress("fetch", total=len(wanted), unit="models") as advance:
        for folder, model in wanted.items():
            install(
                model.reference,
                sha256=model.sha256,
                folder=folder,
                random_encoder=lambda path, seed: write_random_encoder(path, seed=seed),
            )
            log.info("fetch: %s <- %s", folder, model.reference)
            advance(1)
