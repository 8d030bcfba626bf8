"""Super-resolution of volumes along z; Jiang et al., CVPRW 2024 (arXiv 2404.09425), and better.

Every XZ and every YZ slice of the volume that is looked for has some rows that were measured. A model of 2D images
fills in the others, and both directions are brought together: after every step of the sampler (consensus), so
that neighbouring slices and both directions agree on one volume; or at the end, as published.
"""

from __future__ import annotations

from collections.abc import Iterator

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.blocks import in_standard_order
from napari_diffuscope.imaging.stack_intensity import measure_intensities
from napari_diffuscope.imaging.views import LuminanceView
from napari_diffuscope.jobs import Job
from napari_diffuscope.methods.bridging import Tally
from napari_diffuscope.methods.ready import MEASURING, ready_model
from napari_diffuscope.methods.records import note_intensities
from napari_diffuscope.methods.states import States, states_beside
from napari_diffuscope.methods.superres.chain import volume_job
from napari_diffuscope.methods.superres.empty_parts import EmptyParts
from napari_diffuscope.methods.superres.error_bars import noted_error_bars
from napari_diffuscope.methods.superres.filling import Filling, count_slices
from napari_diffuscope.methods.superres.plan import sampling_plan
from napari_diffuscope.methods.superres.scale import ZScale, plan_scale
from napari_diffuscope.methods.superres.settings import SuperresSettings
from napari_diffuscope.methods.superres.slices import SliceModel
from napari_diffuscope.methods.superres.volume import Volume, volumes_of
from napari_diffuscope.methods.work import Work
from napari_diffuscope.weights.card import ModelCard
from napari_diffuscope.weights.model import Model


def superres_job(work: Work) -> Job[None]:
    """Make the planes between the measured ones, block by block; blocks that the outputs have are not made again.

    Parameters
    ----------
    work
        Its image has a z axis, channels and times are worked one after the other; read block by block. Where it
        writes files, samplers of several steps keep their states beside them: the job goes on where an earlier one
        was killed, and memory holds no more than a block.

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
    colour = isinstance(work.image.data, LuminanceView)
    states = states_beside(work, block=work.plan.block) or States()
    model = yield from ready_model(work)
    filling, volumes = yield from begun_filling(work, model, states)
    if work.crew is not None and states.folder is None and not filling.direct:
        raise DiffuscopeError(
            "On a cluster, samples of several steps need files that all workers see; use the command line, or the mode "
            "'estimate'."
        )
    filling.volumes, work.total = len(volumes), count_slices(filling, volumes)
    yield from map(work.warn, announced(filling.scale, colour=colour))
    yield from map(work.warn, noted_error_bars(work.record, model.card, work.settings, filling.scale.factor))
    for volume in volumes:
        yield from volume_job(filling, volume)
    kept = filling.reimpose and work.settings.defects == "keep"
    far = "bridged for the network" + (
        "; in the result they are as measured (defects=bridge fills them in)" if kept else ""
    )
    yield from map(work.warn, filling.found.sentences(kept=kept, far=far))
    yield from map(work.warn, filling.empty_parts.sentences)
    work.record["defects"] = filling.found.to_dict()
    filling.empty_parts.note(work.record)
    work.afterwards.append(states.forget)


def begun_filling(work: Work, model: Model, states: States) -> Job[tuple[Filling, list[Volume]]]:
    """What a run begins with: intensities, scale, steps, and the volumes of the image.

    The record gets ``measured_planes``, what became of them: ``bit-exact``, ``estimated`` (the network's value), or
    ``interpolated`` (the factor is no whole number, so they lie between planes of the output); and ``disagreement``,
    the root mean square difference, in the units of the image, between what the slices along x and those along y say
    before they are brought together for the last time, per volume.

    Raises
    ------
    DiffuscopeError
        For a model of something else than slices, and as the scale.
    """
    settings, image = work.settings, in_standard_order(work.image)
    check_slices(model.card)
    scale = plan_scale(image, settings)
    yield work.update(message=MEASURING)
    intensities = measure_intensities(image, robust=settings.defects != "ignore")
    note_intensities(work.record, intensities)
    reimpose = reimposes(model, settings)
    work.record |= {
        "factor": scale.factor,
        "plane_spacing": scale.stride,
        "measured_planes": ("bit-exact" if scale.exact else "interpolated") if reimpose else "estimated",
        "disagreement": [],
    }
    plan, tally = sampling_plan(model, settings), Tally()
    empty_parts = EmptyParts(settings.skip_below)
    filling = Filling(
        work, SliceModel(model, settings.batch), plan, scale, states, reimpose, empty_parts, tally
    )
    volumes = volumes_of(
        image, scale, intensities, model.card.data_range, defects=settings.defects, tally=tally
    )
    return filling, list(volumes)


def check_slices(card: ModelCard) -> None:
    """Refuse what is no model of slices.

    Raises
    ------
    DiffuscopeError
        If so.
    """
    if card.axes != "YX" or card.condition_channels % 2:
        raise DiffuscopeError(
            f"{card.name} is no model of slices: it needs the axes YX and an even number of condition channels, not "
            f"{card.axes} and {card.condition_channels}."
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
