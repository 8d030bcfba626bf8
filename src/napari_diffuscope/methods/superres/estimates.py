"""What the network says of a part of a volume, in both directions, and the state that it is shown."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_diffuscope.diffusion.noise import positioned_noise
from napari_diffuscope.jobs import Update, relayed
from napari_diffuscope.methods.superres.filling import Filling
from napari_diffuscope.methods.superres.outputs import RESULT
from napari_diffuscope.methods.superres.slices import ALONG_X, ALONG_Y, Condition, as_slices
from napari_diffuscope.methods.superres.volume import Volume
from napari_diffuscope.methods.superres.windows import Ranges, mirrored

DIRECTIONS = (ALONG_X, ALONG_Y)


def estimates(
    filling: Filling, volume: Volume, sample: int, step: int, core: Ranges
) -> Generator[Update, None, list[Tensor]]:
    """Estimates ``(C, Z, Y, X)`` of a core in both directions."""
    found = []
    level = filling.plan.levels[step]
    empty = filling.empty_parts.of(volume, core)
    if empty is not None and empty.all():
        filling.work.done += sum(stop - start for start, stop in core[1:])
        yield filling.work.update()
        return [_plain(filling, volume, core)] * len(DIRECTIONS)
    for along in DIRECTIONS:
        seen = filling.model.needed(core, volume.shape, along)
        condition = volume.condition(filling.model.shown(seen, along))
        number = 0 if filling.settings.together else along
        blank = level.alpha == 0 or (step == 0 and not filling.plan.noisy)
        state = None if blank else as_slices(state_of(filling, volume, sample, step, number, seen), along)
        evaluation = filling.model.volume(
            _states_of(state, filling, condition, along), level, condition, core, volume.shape, along
        )
        first = filling.work.done

        def told(
            done: tuple[int, str, Tensor | None],
            first: int = first,
            along: int = along,
            condition: Condition = condition,
        ) -> Update:
            slices, message, part = done
            shown = {}
            if part is not None and not sample:
                shown = _shown(filling, volume, condition, core, along, filling.work.done - first, part)
            filling.work.done += slices
            return filling.work.warn(message) if message else filling.work.update(**shown)

        found.append((yield from relayed(evaluation, told)))
    if empty is not None and empty.any():
        plain, mask = _plain(filling, volume, core), torch.from_numpy(empty)
        found = [torch.where(mask, plain, one) for one in found]
    return found


def _plain(filling: Filling, volume: Volume, core: Ranges) -> Tensor:
    """What a core has ``(C, Z, Y, X)`` without the network: straight lines between the measured planes."""
    values = volume.condition(core).values
    return values[None].expand(filling.model.model.card.state_channels, *values.shape)


def _shown(
    filling: Filling, volume: Volume, condition: Condition, core: Ranges, along: int, first: int, part: Tensor
) -> dict[str, Any]:
    """What an update shows of slices just made, where fine planes are planes of the output."""
    if RESULT not in filling.work.sinks or not filling.scale.exact or filling.settings.blur:
        return {}
    place = [slice(start, stop) for start, stop in core]
    start = core[1 + along][0] + first
    place[1 + along] = slice(start, start + len(part))
    values = part.mean(1).permute((1, 0, 2) if along == ALONG_X else (1, 2, 0))
    if filling.reimpose:
        inside = tuple(
            slice(p.start - at, p.stop - at) for p, at in zip(place, condition.origin, strict=True)
        )
        known = condition.known[inside[0]][:, None, None]
        values = torch.where(known, condition.values[inside], values)
    pixels = volume.line.inverse(np.asarray(values))
    return {
        "output": RESULT,
        "region": (*(slice(at, at + 1) for at in volume.leading), *place),
        "preview": pixels.reshape((1,) * len(volume.leading) + pixels.shape),
    }


def _states_of(state: Tensor | None, filling: Filling, condition: Any, along: int) -> Any:
    """Gives the states of some slices; zeros where there is none, without storing a volume of them."""
    if state is not None:
        return lambda some: state[some]
    depth, height, width = condition.values.shape
    size = (depth, width if along == ALONG_X else height)
    channels = filling.model.model.card.state_channels
    return lambda some: torch.zeros(some.stop - some.start, channels, *size)


def combined(filling: Filling, clean: list[Tensor]) -> list[Tensor]:
    """One estimate of both directions."""
    return [(clean[0] + clean[1]) * 0.5]


def state_of(filling: Filling, volume: Volume, sample: int, step: int, number: int, ranges: Ranges) -> Tensor:
    """State ``(C, Z, Y, X)`` of a part at a step; mirrored beyond the volume."""
    box, rows = mirrored(ranges, volume.shape)
    inside: Ranges = tuple((part.start, part.stop) for part in box)  # type: ignore[assignment]
    if step:
        found = stored(filling, volume, "state", step, number, inside)
    else:
        found = noise_of(filling, volume, sample, 0, number, inside)
        if not filling.plan.noisy:
            found = torch.zeros_like(found)
    if all(np.array_equal(row, np.arange(length)) for row, length in zip(rows, found.shape[1:], strict=True)):
        return found
    z, y, x = (torch.from_numpy(row) for row in rows)
    return found[:, z[:, None, None], y[:, None], x]


def noise_of(filling: Filling, volume: Volume, sample: int, step: int, number: int, ranges: Ranges) -> Tensor:
    """Unit noise ``(C, Z, Y, X)`` that depends on the seed, sample, step, volume and position alone."""
    channels = filling.model.model.card.state_channels
    first = (volume.number * 2 + number) * channels
    drawn = [
        positioned_noise(ranges, seed=filling.settings.seed, sample=sample, step=step, plane=first + channel)
        for channel in range(channels)
    ]
    return torch.from_numpy(np.stack(drawn))


def kept(filling: Filling, volume: Volume, kind: str, step: int) -> Any:
    """The array of states or estimates at a step."""
    channels = filling.model.model.card.state_channels
    return filling.states.array(f"{kind}{step % 2}", (filling.states_per_volume, channels, *volume.shape))


def stored(filling: Filling, volume: Volume, kind: str, step: int, number: int, ranges: Ranges) -> Tensor:
    """A part ``(C, Z, Y, X)`` of a stored state or estimate."""
    place = (number, slice(None), *(slice(a, b) for a, b in ranges))
    return torch.from_numpy(np.array(kept(filling, volume, kind, step)[place]))


def store(
    filling: Filling, volume: Volume, kind: str, step: int, number: int, ranges: Ranges, values: Tensor
) -> None:
    """Keep a part of a state or estimate."""
    place = (number, slice(None), *(slice(a, b) for a, b in ranges))
    kept(filling, volume, kind, step)[place] = np.ascontiguousarray(values.numpy())
