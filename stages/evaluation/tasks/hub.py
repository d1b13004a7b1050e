"""Files of data sets from the Hugging Face hub, at a pinned commit."""

import logging
from collections.abc import Mapping
from pathlib import Path

from stages.evaluation.tasks.definitions import Hub

log = logging.getLogger(__name__)

SECONDS_TO_ANSWER = 5.0


class HubFiles:
    """Fetches files, and asks no more once nobody answered: one wait is enough."""

    def __init__(self) -> None:
        self._answers: bool | None = None

    def fetched(self, hub: Hub) -> Mapping[str, list[Path]] | None:
        """Return the local files by role, from the cache where they are; None when not to be had.

        Nothing but the named files is fetched, and nothing of it is run.
        """
        named = {
            role: [files] if isinstance(files, str) else list(files)
            for role, files in hub.files.items()
        }
        for from_cache in (True, False):
            if from_cache or self._hub_answers():
                files = _files(hub, named, from_cache=from_cache)
                if files is not None:
                    return files
        return None

    def _hub_answers(self) -> bool:
        if self._answers is None:
            from httpx2 import HTTPError
            from huggingface_hub import constants, get_session

            try:
                get_session().head(constants.ENDPOINT, timeout=SECONDS_TO_ANSWER)
                self._answers = True
            except (HTTPError, OSError) as error:
                log.debug("the hub does not answer: %s", error)
                self._answers = False
        return self._answers


def _files(
    hub: Hub, named: Mapping[str, list[str]], *, from_cache: bool
) -> dict[str, list[Path]] | None:
    from httpx2 import HTTPError
    from huggingface_hub import hf_hub_download

    try:
        return {
            role: [
                Path(
                    hf_hub_download(
                        hub.repository,
                        name,
                        repo_type="dataset",
                        revision=hub.revision,
                        local_files_only=from_cache,
                    )
                )
                for name in names
            ]
            for role, names in named.items()
        }
    except (HTTPError, OSError, ValueError) as error:
        log.debug("hub:%s@%s: %s", hub.repository, hub.revision, error)
        return None
