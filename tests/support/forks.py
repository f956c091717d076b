"""Processes forked from a server that has imported what takes ten seconds to import, and has done nothing else."""

import multiprocessing


FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "hfal.training.callback",
        "pytest",
        "sklearn.cluster",
        "torch.distributed",
        "transformers.trainer",
        "transformers.models.bert.modeling_bert",
    ]
)
