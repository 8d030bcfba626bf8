"""Run a command of diffuscope on a cluster with Slurm: its pieces are made by jobs that this script asks for.

``python on_slurm.py --jobs 8 --walltime 04:00:00 --gpu -- restore big.ome.zarr out.ome.zarr --mode mean``

For PBS, LSF, SGE and others take another class of dask_jobqueue.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from napari_diffuscope.cli import main as diffuscope


def arguments_of(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--jobs", type=int, default=4, help="jobs that work at the same time")
    parser.add_argument("--walltime", default="04:00:00", help="of each job")
    parser.add_argument("--cores", type=int, default=4, help="of each job")
    parser.add_argument("--memory", default="16GB", help="of each job")
    parser.add_argument("--queue", help="the partition")
    parser.add_argument("--gpu", action="store_true", help="one graphics card for each job")
    parser.add_argument("command", nargs="+", help="what comes after 'diffuscope'")
    return parser.parse_args(words)


def slurm_options(asked: argparse.Namespace) -> dict[str, Any]:
    """What every job is: one process, which loads the model once."""
    return {
        "processes": 1,
        "cores": asked.cores,
        "memory": asked.memory,
        "walltime": asked.walltime,
        "queue": asked.queue,
        "job_extra_directives": ["--gres=gpu:1"] if asked.gpu else [],
        # What your jobs need before Python starts, such as "module load cuda" or "source ~/venv/bin/activate".
        "job_script_prologue": [],
    }


def main(words: list[str], cluster_class: Any = None, **options: Any) -> None:
    asked = arguments_of(words)
    if cluster_class is None:
        from dask_jobqueue import SLURMCluster

        cluster_class, options = SLURMCluster, slurm_options(asked)
    with cluster_class(**options) as cluster:
        # Jobs that the queue ends are asked for again, until all is done.
        cluster.adapt(minimum=asked.jobs, maximum=asked.jobs)
        diffuscope([*asked.command, "--cluster", cluster.scheduler_address])


if __name__ == "__main__":
    main(sys.argv[1:])
