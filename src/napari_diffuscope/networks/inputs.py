"""What may go into a network."""

from __future__ import annotations

from torch import Tensor

from napari_diffuscope.errors import DiffuscopeError


def check_input(x: Tensor, channels: int, total_stride: tuple[int, ...]) -> None:
    """Check the shape of a network's input.

    Parameters
    ----------
    x
        The input, ``(B, C, *spatial)``.
    channels
        Channels that the network takes.
    total_stride
        What each spatial size must be a multiple of.

    Raises
    ------
    DiffuscopeError
        If the shape does not fit.
    """
    dims = len(total_stride)
    if x.ndim != dims + 2 or x.shape[1] != channels:
        raise DiffuscopeError(
            f"The network takes {channels} channels of {dims}D images,"
            f" not an array of shape {tuple(x.shape)}."
        )
    if any(size % step or not size for size, step in zip(x.shape[2:], total_stride, strict=True)):
        raise DiffuscopeError(
            f"The network takes sizes that are multiples of {total_stride}, not {tuple(x.shape[2:])};"
            " pad the image."
        )
