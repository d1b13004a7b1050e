"""Which addresses of files are understood, and how the store behind one is opened.

Keys are never part of an address: each service's own environment variables and files hold them.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from stages.errors import PipelineError, first_line

SECRETS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
"""Environment variables whose values are cut out of whatever a library says."""
MANY_CHARACTERS = 300


@dataclass(frozen=True)
class Service:
    """A kind of store.

    Args:
        extra: What installs the library that speaks with it.
        options: What its file system is opened with.
        whole_puts: Whether a file that is being written is not seen before it is whole.
    """

    extra: str
    options: dict[str, Any]
    whole_puts: bool


# Without limits an address that leads nowhere is tried for minutes.
_PATIENCE = {"connect_timeout": 10, "read_timeout": 60, "retries": {"max_attempts": 3}}
SERVICES = {
    "s3": Service("multicsr[s3]", {"config_kwargs": _PATIENCE}, whole_puts=True),
    "gs": Service("multicsr[gs]", {}, whole_puts=True),
    "hdfs": Service("multicsr[hdfs]", {}, whole_puts=False),
    "file": Service("multicsr", {}, whole_puts=False),
}


def is_address(reference: str) -> bool:
    """Return whether ``reference`` names a store rather than a path here.

    >>> is_address("s3://bucket/corpus.txt"), is_address("data/corpus.txt")
    (True, False)
    """
    return "://" in reference


def local_path(reference: str) -> Path | None:
    """Return the path here that ``reference`` means, None where it is elsewhere.

    >>> local_path("file:///data/a%20b.txt"), local_path("s3://bucket/a.txt")
    (PosixPath('/data/a b.txt'), None)
    """
    if not is_address(reference):
        return Path(reference)
    parts = urlsplit(reference)
    return Path(unquote(parts.path)) if parts.scheme == "file" and not parts.netloc else None


def opened(address: str) -> tuple[Any, str]:
    """Return fsspec's file system for ``address``, and the path in it.

    Raises:
        PipelineError: When the kind of store is unknown, its library is missing, or the address
            holds a key.
    """
    parts = urlsplit(address)
    service = SERVICES.get(parts.scheme)
    if parts.username and (parts.password or parts.scheme != "hdfs"):
        raise PipelineError(
            f"an address {parts.scheme}://...@... holds a name or key.",
            remedy="take it out and put it where the service looks for it, such as "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment.",
        )
    if service is None or (not parts.netloc and parts.scheme in {"s3", "gs"}):
        raise PipelineError(
            f"{told(address)} is no address that is understood.",
            remedy="write s3://BUCKET/PATH, gs://BUCKET/PATH, hdfs://HOST/PATH or file:///PATH.",
        )
    import fsspec

    try:
        kind = fsspec.get_filesystem_class(parts.scheme)
        # Not fsspec's own of an earlier call, which may have other keys.
        system = kind(**_host(parts), **service.options, skip_instance_cache=True)
    except ImportError as error:
        raise PipelineError(
            f"{told(address)}: the library for {parts.scheme}:// is not installed.",
            remedy=f"run: pip install '{service.extra}'",
        ) from error
    except Exception as error:
        raise unreachable(address, error) from error
    return system, kind._strip_protocol(address)


def _host(parts: Any) -> dict[str, Any]:
    if parts.scheme != "hdfs":
        return {}
    return {"host": parts.hostname or "default", "port": parts.port or 0, "user": parts.username}


def told(address: str) -> str:
    """Return ``address`` without what may be a key: the name before the host, and any query.

    >>> told("s3://key:secret@bucket/a.txt?token=1")
    's3://bucket/a.txt'
    """
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def unreachable(address: str, error: BaseException) -> PipelineError:
    """Return in our words why ``address`` could not be used."""
    kind = type(error).__name__
    if isinstance(error, FileNotFoundError):
        return PipelineError(
            f"{told(address)} does not exist: there is no such bucket, folder or file.",
            remedy="mend the address; names count in upper and lower case.",
        )
    if isinstance(error, PermissionError):
        return PipelineError(
            f"{told(address)} may not be used: {_line(error)}",
            remedy="ask for the right to read (to write, for `work push`), or use other keys.",
        )
    if kind in {"NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError"}:
        return PipelineError(
            f"{told(address)} needs keys, and none were found.",
            remedy="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (s3), or "
            "GOOGLE_APPLICATION_CREDENTIALS (gs), or log in with the service's own tool.",
        )
    return PipelineError(
        f"{told(address)} could not be reached: {kind}: {_line(error)}",
        remedy="look at the network, and at AWS_ENDPOINT_URL where the store is not Amazon's.",
    )


def _line(error: BaseException) -> str:
    line = first_line(error)
    for name in SECRETS:
        if secret := os.environ.get(name):
            line = line.replace(secret, "...")
    return line[:MANY_CHARACTERS]
