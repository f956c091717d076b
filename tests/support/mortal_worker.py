"""A worker of a comparison that dies where it is told to."""

import os
from multiprocessing.connection import Connection


def work(connection: Connection, threads: int) -> None:
    """Take jobs as `hfal.comparison.worker.work` does, and make nothing."""
    while (job := connection.recv()) is not None:
        _, options = job
        if options["dies"]:
            os._exit(3)
        connection.send(options["problem"])
