"""Which device to compute on."""

from __future__ import annotations

from napari_diffuscope.errors import DiffuscopeError


def available_devices() -> list[str]:
    """Devices of this machine, the preferred one first; ``cpu`` is always there."""
    import torch

    found = (
        [f"cuda:{i}" if i else "cuda" for i in range(torch.cuda.device_count())]
        if torch.cuda.is_available()
        else []
    )
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]


def choose_device(wish: str) -> str:
    """The device for a wish; ``auto`` takes cuda, then mps, then cpu.

    Raises
    ------
    DiffuscopeError
        If the machine has no such device; the sentence lists those it has.
    """
    devices = available_devices()
    if wish == "auto":
        return devices[0]
    if wish == "cuda:0" and "cuda" in devices:
        return "cuda"
    if wish not in devices:
        raise DiffuscopeError(
            f"Device {wish!r} is not available here; choose one of auto, {', '.join(devices)}."
        )
    return wish
