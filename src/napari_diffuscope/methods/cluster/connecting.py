"""From what was typed to a connected cluster: processes of this machine, or a scheduler that runs elsewhere."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.cluster.address import Address, parse_address
from napari_diffuscope.methods.cluster.member import THREADS
from napari_diffuscope.methods.cluster.team import Team

PATIENCE = "30s"
"""How long a scheduler may take to answer."""

VISIBLE = "CUDA_VISIBLE_DEVICES"

# Ctrl-C reaches all processes of a terminal; the command alone decides what comes of it. And the locks that libraries
# make in a process that is then killed would be complained about by Python, unless they are of the kind without names.
PRELOAD = (
    "import multiprocessing, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); "
    "sys.platform == 'linux' and multiprocessing.set_start_method('fork', force=True)"
)


@contextmanager
def opened_team(
    cluster: Any, *, device: str = "auto", tell: Callable[[str], None] = lambda line: None
) -> Iterator[Team]:
    """A connected cluster, which is closed in the end if it was begun here.

    Parameters
    ----------
    cluster
        ``local``, ``local:4``, ``local:4x2``, an address of a scheduler, a dask cluster object, or a
        ``distributed.Client``.
    device
        That of the settings: what decides whether processes of this machine get graphics cards.
    tell
        Called with a sentence on what is there: how many processes, and the address of the dashboard.

    Raises
    ------
    DiffuscopeError
        If distributed is not installed, the text is not understood, or nobody answers.
    """
    address = parse_address(cluster) if isinstance(cluster, str) else None
    distributed = _distributed()
    with _quiet():
        if address is None:
            yield from _told(Team(*_client_of(distributed, cluster)), tell)
        elif address.scheduler:
            with _connected(distributed, address.scheduler) as client:
                yield from _told(Team(client, address.scheduler), tell)
        else:
            with (
                _processes(distributed, address, device) as scheduler,
                _connected(distributed, scheduler) as client,
            ):
                yield from _told(Team(client, cluster), tell)


def _told(team: Team, tell: Callable[[str], None]) -> Iterator[Team]:
    count = team.count()
    dashboard = f"; dashboard: {team.dashboard}" if team.dashboard else ""
    tell(f"Cluster {team.name}: {count} worker{'s' * (count != 1)}{dashboard}")
    yield team


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise DiffuscopeError(
            "Clusters need the package distributed, which is not installed; pip install 'napari-diffuscope[cluster]'."
        ) from error
    return distributed


@contextmanager
def _connected(distributed: Any, scheduler: Any) -> Iterator[Any]:
    try:
        client = distributed.Client(scheduler, timeout=PATIENCE, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise DiffuscopeError(
            f"No scheduler answers at {scheduler}; check the address, and whether it runs."
        ) from error
    try:
        yield client
    finally:
        with suppress(Exception):
            client.close(timeout=2)


def _client_of(distributed: Any, cluster: Any) -> tuple[Any, str]:
    """The client of a cluster object, or the client itself; both are closed by who made them."""
    if isinstance(cluster, distributed.Client):
        return cluster, str(cluster.scheduler.address)
    if hasattr(cluster, "get_client"):
        return cluster.get_client(), str(cluster.scheduler_address)
    raise DiffuscopeError(
        f"A cluster is 'local', the address of a scheduler, a dask cluster or a Client, not {type(cluster).__name__}."
    )


@contextmanager
def _processes(distributed: Any, address: Address, device: str) -> Iterator[Any]:
    """Workers on this machine: one for each graphics card, or as many as were asked for."""
    environments = environments_of(address, graphics_cards() if device.startswith(("auto", "cuda")) else [])
    options = {
        "nthreads": 1,
        "memory_limit": 0,  # jobs bound their memory themselves
        "dashboard": False,
        "host": "127.0.0.1",
        "silence_logs": logging.CRITICAL,
        "preload": [PRELOAD],
    }
    workers = {
        number: {"cls": distributed.Nanny, "options": {**options, "env": environment}}
        for number, environment in enumerate(environments)
    }
    scheduler = {
        "cls": distributed.Scheduler,
        "options": {"host": "127.0.0.1", "port": 0, "dashboard": True, "dashboard_address": "127.0.0.1:0"},
    }
    with _keeping_memory():
        cluster = distributed.SpecCluster(
            workers=workers, scheduler=scheduler, silence_logs=logging.CRITICAL, name="diffuscope"
        )
    try:
        yield cluster
    finally:
        _end(cluster)
        with suppress(Exception):
            cluster.close(timeout=5)


def _keeping_memory() -> Any:
    """Workers begin without what dask tells the C library: to give every freed array back at once.

    A network frees and takes the same arrays again and again, and was a third slower for it.
    """
    import dask

    return dask.config.set({"distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None})


def _end(cluster: Any) -> None:
    """End the processes at once: they would first finish what they are at, which nobody wants any longer."""
    for nanny in cluster.workers.values():
        nanny.auto_restart = False
        pid = getattr(nanny.process, "pid", None)
        if pid:
            with suppress(OSError):
                os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))


def environments_of(address: Address, cards: list[str]) -> list[dict[str, str]]:
    """What the environment of each process is told.

    Parameters
    ----------
    address
        How many were asked for.
    cards
        Names of the graphics cards that may be used.

    Raises
    ------
    DiffuscopeError
        If more processes than cards were asked for.
    """
    # The profiler of distributed looks at every worker a hundred times a second, and nobody looks at what it finds.
    quiet = {"DASK_LOGGING__DISTRIBUTED": "critical", "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False"}
    if cards:
        if (count := address.processes or len(cards)) > len(cards):
            raise DiffuscopeError(
                f"This machine has {len(cards)} graphics cards, each for one process, so {count} processes are too "
                "many; take fewer, or the device cpu."
            )
        return [{**quiet, VISIBLE: card} for card in cards[:count]]
    threads = str(address.threads)
    count = address.processes or max(1, cores() // address.threads)
    own = {**quiet, VISIBLE: "", THREADS: threads, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    return [own] * count


def graphics_cards() -> list[str]:
    """Names under which CUDA shows its cards to this process."""
    import torch

    count = torch.cuda.device_count()
    named = [name.strip() for name in os.environ.get(VISIBLE, "").split(",") if name.strip()]
    return named[:count] if named else [str(number) for number in range(count)]


def cores() -> int:
    """Processor cores that this process may use."""
    from dask.system import CPU_COUNT

    return int(CPU_COUNT)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the log of distributed from the terminal: what matters is said in sentences."""
    logger = logging.getLogger("distributed")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
