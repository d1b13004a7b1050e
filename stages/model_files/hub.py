"""Weights from the Hugging Face hub, at a pinned commit, safetensors only."""

from pathlib import Path

from stages.errors import PipelineError, first_line
from stages.model_files.reference import HubReference

# Configuration, tokenizers and safetensors: what is not named here (pickled weights, code,
# other frameworks) is never fetched.
WANTED_FILES = [
    "*.safetensors",
    "*.safetensors.index.json",
    "*.json",
    "*.txt",
    "*.model",
    "*.jinja",
    # They say under which licence the model may be used.
    "README.md",
    "LICENSE*",
]


def snapshot(reference: HubReference) -> Path:
    """Return the local folder of the repository's snapshot, fetched unless it is in the cache.

    Raises:
        PipelineError: When it is neither in the cache nor to be had from the hub.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    name = f"hub:{reference.repository}@{reference.revision}"
    try:
        folder = snapshot_download(
            reference.repository, revision=reference.revision, allow_patterns=WANTED_FILES
        )
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise PipelineError(
            f"{name} is not in the local cache and could not be fetched: {first_line(error)}.",
            remedy="connect to the network (or set HF_ENDPOINT to a mirror), log in if the model "
            "is gated, or copy the model here and use a path: reference.",
        ) from error
    return Path(folder)
