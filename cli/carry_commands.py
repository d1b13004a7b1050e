"""`multicsr work push` and `pull`: finished shards to a store and back."""

import logging
from typing import Annotated

import typer

from cli.console import progress
from cli.options import WorkFolder, work_folder

log = logging.getLogger(__name__)

Address = Annotated[
    str,
    typer.Argument(metavar="ADDRESS", help="Such as s3://bucket/work; the same for all machines."),
]


def push(address: Address, work: WorkFolder = None) -> None:
    """Copy finished shards of generate and score to a store.

    Another machine then goes on with them after `pull`. What is there is
    never written over, and answers of servers stay here.

    [bold]Examples[/]

      multicsr work push s3://bucket/work
    """
    from stages.storage.addresses import told
    from stages.storage.carrying import push as carry

    done = carry(work_folder(work), address, progress=progress)
    log.info("work: pushed %s files to %s, %s were there", done.copied, told(address), done.there)


def pull(address: Address, work: WorkFolder = None) -> None:
    """Bring finished shards from a store, for the next generate or score.

    They are used where they fit: the name of each folder covers everything
    that shaped its shards, and a damaged shard is noticed and made anew.

    [bold]Examples[/]

      multicsr work pull s3://bucket/work
    """
    from stages.storage.addresses import told
    from stages.storage.carrying import pull as carry

    done = carry(address, work_folder(work), progress=progress)
    log.info("work: pulled %s files from %s, %s were here", done.copied, told(address), done.there)
