"""Keeps the libraries underneath from talking over the commands, and from calling home."""

import os

SETTINGS = {
    "DATASETS_VERBOSITY": "error",
    "GX_ANALYTICS_ENABLED": "false",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
}
"""Read by the libraries when they are imported."""


def quieten_libraries() -> None:
    """Set the environment variables of ``SETTINGS`` that the user has not set."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
