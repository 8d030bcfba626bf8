"""What descriptions of networks have in common, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, Self

from napari_diffuscope.errors import DiffuscopeError


class NetworkConfig:
    """Base of the frozen dataclasses that decide the layers of a network: into JSON and back."""

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able dictionary."""
        values = asdict(self)  # type: ignore[call-overload]
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_dict` wrote.

        Raises
        ------
        DiffuscopeError
            If an entry is unknown.
        """
        unknown = set(values) - {field.name for field in fields(cls)}  # type: ignore[arg-type]
        if unknown:
            raise DiffuscopeError(
                f"The description of the network has unknown entries ({', '.join(sorted(unknown))});"
                " it may come from a newer version."
            )
        return cls(**values)


class Configured:
    """Base of networks that ask their description what they need."""

    config: Any

    @property
    def total_stride(self) -> tuple[int, ...]:
        """What the size of an input must be a multiple of, per spatial axis."""
        return tuple(self.config.total_stride)

    @property
    def floats_per_pixel(self) -> float:
        """Peak number of float32 values that inference holds per input pixel, for planning memory."""
        return float(self.config.floats_per_pixel)


def published_floats_per_pixel(
    widths: tuple[int, ...], res_blocks: int, in_channels: int, out_channels: int
) -> float:
    """Peak number of float32 values that inference on the CPU holds per input pixel, for planning memory.

    The peak is in the first decoder block at full resolution: its input, the concatenation with the encoder's map,
    shortcut and result, with the maps still waiting at full resolution. Convolutions need workspace of up to the same
    size again.

    Parameters
    ----------
    widths
        Channels of each level, from full resolution down.
    res_blocks
        Blocks per level in the encoder.
    in_channels, out_channels
        Of the network.
    """
    first, second = (*widths, widths[-1])[:2]
    waiting = res_blocks * first
    return 2.0 * (2 * second + 3 * first + waiting + in_channels + out_channels)
