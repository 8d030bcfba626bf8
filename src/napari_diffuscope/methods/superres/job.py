"""Super-resolution of volumes along z; Jiang et al., CVPRW 2024 (arXiv 2404.09425), and better.

Every XZ and every YZ slice of the volume that is looked for has some rows that were measured. A model of 2D images
fills in the others, and both directions are brought together: after every step of the sampler (consensus), so
that neighbouring slices and both directions agree on one volume; or at the end, as published.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.blocks import VolumeSpec, in_standard_order
from napari_diffuscope.imaging.blocks.array_sink import ArraySink, Sink
from napari_diffuscope.imaging.files import image_of
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.intensity import measure_intensities
from napari_diffuscope.imaging.views import LuminanceView
from napari_diffuscope.jobs import Job, Update, announce, relayed, run
from napari_diffuscope.methods.bridging import Tally
from napari_diffuscope.methods.device import choose_device
from napari_diffuscope.methods.superres.chain import volume_job
from napari_diffuscope.methods.superres.outputs import DEVIATION, RESULT, describe_superres
from napari_diffuscope.methods.superres.plan import sampling_plan
from napari_diffuscope.methods.superres.record import superres_record
from napari_diffuscope.methods.superres.scale import ZScale, plan_scale
from napari_diffuscope.methods.superres.settings import SuperresSettings
from napari_diffuscope.methods.superres.slices import SliceModel
from napari_diffuscope.methods.superres.states import States
from napari_diffuscope.methods.superres.volume import volumes_of
from napari_diffuscope.methods.superres.work import Work, count_slices
from napari_diffuscope.weights.model import Model, load_model


@dataclass(frozen=True)
class Superresolution:
    """Result of a super-resolution.

    Parameters
    ----------
    outputs
        By name; arrays, or whatever the sinks return when they are finished (the path of a file).
    specs
        Axes, shapes and scales.
    record
        What made them.
    """

    outputs: Mapping[str, Any]
    specs: Mapping[str, VolumeSpec]
    record: dict[str, Any]

    @property
    def superresolved(self) -> Any:
        """The volume, or ``None`` for the mode ``deviation``."""
        return self.outputs.get(RESULT)

    @property
    def deviation(self) -> Any:
        """Standard deviation over the samples, or ``None`` where the mode gives none."""
        return self.outputs.get(DEVIATION)


def superresolution_job(
    image: Image,
    settings: SuperresSettings,
    *,
    sinks: Mapping[str, Sink],
    states: States | None = None,
) -> Job[Superresolution]:
    """Make the planes between the measured ones, block by block.

    Parameters
    ----------
    image
        With a z axis; channels and times are worked one after the other. Read block by block.
    settings
        What to do.
    sinks
        For each output of :func:`~napari_diffuscope.methods.superres.outputs.describe_superres` where its blocks
        go; all of them with equal blocks. Blocks that a sink has are not made again.
    states
        Where samplers of several steps keep their states; in memory by default. With a folder, a job goes on
        where an earlier one was killed, and memory holds no more than a block.

    Yields
    ------
    Update
        In slices through the network. ``preview`` is the current estimate of ``region`` of an output; a block is
        announced with ``final`` when it was written.

    Raises
    ------
    DiffuscopeError
        For an unknown model or device, an image without scale or with a single plane, or too little memory.
    """
    started = time.perf_counter()
    colour = isinstance(image.data, LuminanceView)
    image = in_standard_order(image)
    scale = plan_scale(image, settings)
    device = choose_device(settings.device)
    yield from announce(image.notes)
    yield Update(0, 0, f"Loading {settings.model}")
    model = load_model(settings.model, device=device)
    check_fits(model, settings)
    yield Update(0, 0, "Measuring intensities")
    intensities = measure_intensities(image, robust=settings.defects != "ignore")
    reimpose = reimposes(model, settings)
    measured = ("bit-exact" if scale.exact else "interpolated") if reimpose else "estimated"
    record = superres_record(image, settings, model, scale, intensities, device=device, measured=measured)
    work = Work(
        settings,
        SliceModel(model, settings.batch),
        sampling_plan(model, settings),
        scale,
        states or States(),
        sinks,
        reimpose,
        record,
    )
    tally = Tally()
    ranges, defects = model.card.data_range, settings.defects
    volumes = list(volumes_of(image, scale, intensities, ranges, defects=defects, tally=tally))
    work.volumes, work.total = len(volumes), count_slices(work, volumes)
    yield from (work.warn(message) for message in announced(scale, colour=colour))
    for volume in volumes:
        yield from volume_job(work, volume)
    kept = reimpose and defects == "keep"
    for sentence in tally.sentences(kept=kept, far="bridged for the network"):
        yield work.warn(sentence)
    record["defects"] = tally.to_dict()
    record["seconds"] = round(time.perf_counter() - started, 3)
    for name, sink in sinks.items():
        sink.record = {**record, "output": name}
    outputs = {}
    for name, sink in sinks.items():
        outputs[name] = yield from _finished(work, sink)
    work.states.forget()
    return Superresolution(outputs, {name: sink.spec for name, sink in sinks.items()}, record)


def superresolve(
    image: Any,
    *,
    axes: str | None = None,
    series: int | None = None,
    settings: SuperresSettings | None = None,
    on_update: Any = None,
    **choices: Any,
) -> Superresolution:
    """Make an anisotropic stack isotropic in one call, in memory.

    Parameters
    ----------
    image
        An :class:`~napari_diffuscope.imaging.image.Image`, an array (numpy, dask, zarr), or the path of a file.
    axes
        Axes of an array, such as ``"ZYX"``; by default by its number of dimensions.
    series
        Which image of a file that holds several, counted from 0; the largest by default.
    settings, choices
        A :class:`~napari_diffuscope.methods.superres.settings.SuperresSettings`, and fields of it to replace.
    on_update
        Called with every :class:`~napari_diffuscope.jobs.Update`.

    Returns
    -------
    Superresolution
        ``.superresolved`` and ``.deviation`` are arrays in the units of the input.

    Examples
    --------
    >>> result = superresolve(stack, z_step=0.5, pixel_size=0.1)  # doctest: +SKIP
    """
    from dataclasses import replace

    settings = replace(settings or SuperresSettings(), **choices)
    opened = image_of(image, axes, rgb=settings.rgb, series=series)
    sinks = {
        name: ArraySink(spec, settings.block) for name, spec in describe_superres(opened, settings).items()
    }
    return run(superresolution_job(opened, settings, sinks=sinks), on_update)


def check_fits(model: Model, settings: SuperresSettings) -> None:
    """Refuse a model that cannot do what is asked for.

    Raises
    ------
    DiffuscopeError
        If it is of another kind, or has no such mode.
    """
    card = model.card
    if card.task != "superresolution":
        raise DiffuscopeError(
            f"{card.name} is a model for {card.task}, not for super-resolution; choose another model."
        )
    if card.axes != "YX" or card.condition_channels not in (0, 2):
        raise DiffuscopeError(
            f"{card.name} is no model of slices: it needs the axes YX and 0 or 2 condition channels, not "
            f"{card.axes} and {card.condition_channels}."
        )
    if settings.mode == "as-published" and card.diffusion.published_steps is None:
        raise DiffuscopeError(f"{card.name} has no published sampler; choose another mode.")
    if settings.mode != "estimate" and card.diffusion.estimate_only:
        raise DiffuscopeError(
            f"{card.name} was trained to give the best estimate alone, not samples; choose the mode 'estimate'."
        )


def reimposes(model: Model, settings: SuperresSettings) -> bool:
    """Whether measured planes are put back."""
    if settings.reimpose is not None:
        return settings.reimpose
    return model.card.axial_fwhm is None and settings.mode != "as-published"


def announced(scale: ZScale, *, colour: bool) -> Iterator[str]:
    """What the user must be told before it begins."""
    if not scale.exact:
        yield (
            f"The factor is no whole number: {scale.factor} steps are made of each and resampled, so that measured "
            "planes are not kept bit for bit."
        )
    if colour:
        yield "The colours were averaged to their luminance; with rgb = channels each is worked by itself."


def _finished(work: Work, sink: Sink) -> Job[Any]:
    return (yield from relayed(sink.finishing(), lambda update: work.update(message=update.message)))
