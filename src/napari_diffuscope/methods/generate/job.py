"""Images made from noise, of any size; Saguy et al., Small Methods 2024 (doi 10.1002/smtd.202400672), and better.

An image is as large as is asked for: a network that sees a bounded neighbourhood, or windows whose estimates are
blended at every step, and noise that belongs to positions, make it of one piece. It is moved on from one noise level
to the next piece by piece, from states that lie in memory or, where they are large, beside the output.
"""

from __future__ import annotations

from collections.abc import Iterator

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.jobs import Job, Update
from napari_diffuscope.methods.generate.card import card_of, warning_of
from napari_diffuscope.methods.generate.chain import Chain, blocks_of, piece_edge
from napari_diffuscope.methods.generate.judging import Judge
from napari_diffuscope.methods.generate.plan import generate_plan
from napari_diffuscope.methods.generate.settings import GenerateSettings, class_weights, in_pixels, shape_of
from napari_diffuscope.methods.generate.spectrum import SpectrumFilter
from napari_diffuscope.methods.generate.steering import start_of, steered
from napari_diffuscope.methods.generate.windows import Reach
from napari_diffuscope.methods.ready import ready_model
from napari_diffuscope.methods.states import States, states_beside
from napari_diffuscope.methods.work import Work

MOST_IN_MEMORY = 2**27
"""Bytes of states up to which they lie in memory."""

GPU_PIXELS = 2**20
CPU_PIXELS = 2**14
"""Pixels that are computed at the same time, of several images."""


def generate_job(work: Work) -> Job[Judge | None]:
    """Make images, one group after the other; images that the output has are not made again.

    Returns
    -------
    Judge or None
        What was said of the images, where the model carries what they can be judged by.

    Raises
    ------
    DiffuscopeError
        For a model that cannot do what is asked for, an image to start from that does not fit, or too little memory.
    """
    settings, record = work.settings, work.record
    model = steered((yield from ready_model(work)), settings)
    card, reach = model.card, Reach.of(model)
    said = _left_aside(work)
    shape = reach.padded(shape_of(work.inputs, settings), card.name)
    start = start_of(work.inputs, settings, card, shape, said.append)
    plan = generate_plan(model, settings, start.strength)
    weights = class_weights(card, settings.class_)
    spectrum = SpectrumFilter.of(card, settings, from_noise=start.like is None)
    record |= {
        "classes": dict(zip(card.classes, weights or (), strict=False)),
        "unit": card.values.unit if card.values else "",
        "steps": plan.steps,
        "spectrum": "as drawn" if spectrum is None else "corrected",
    }
    for sentence in said:
        yield work.warn(sentence)
    edge = piece_edge(settings.tile, shape, model.device.type, reach.stride)
    judge = Judge.of(model.source, weights, shape_of(work.inputs, settings), work.options.get("judged", []))
    chain = Chain(work, model, plan, start, reach, shape, edge, judge, spectrum)
    per_image = plan.steps * len(chain.pieces)
    work.total = settings.number * per_image
    states = _stored_states(work, chain)

    def missing() -> Iterator[tuple[int, ...]]:
        for images in _groups(work, chain):
            there = [image for image in images if all(map(work.written, blocks_of(work, image)))]
            work.done += len(there) * per_image
            chain.judge_again(there)
            if left := tuple(image for image in images if image not in there):
                yield left

    def note(images: tuple[int, ...], made: None) -> Job[None]:
        if work.crew is not None:  # what others made is judged by what they wrote
            chain.judge_again(images)
        yield work.update()

    yield from work.each("images", missing(), lambda images: chain.made(images, states or States()), note)
    if states is not None:
        work.afterwards.append(states.forget)
    if judge is not None:
        yield Update(work.total, work.total, "Comparing with real images")
        judged = card_of(judge, work)
        record |= {"scores": judge.entries(), "statistic": judge.statistic(), "card": judged}
        if sentence := warning_of(judged):
            yield work.warn(sentence)
    return judge


def _left_aside(work: Work) -> list[str]:
    """What the user asked for that an image to start from decides."""
    settings, shape = work.settings, shape_of(work.inputs, work.settings)
    chosen = (settings.size, settings.width)
    if settings.shape == shape or chosen == (GenerateSettings.size, GenerateSettings.width):
        return []
    sizes = f"{in_pixels(shape)} pixels, not {in_pixels(settings.shape)}"
    return [f"The result has the size of the image to start from, {sizes}."]


def _groups(work: Work, chain: Chain) -> Iterator[list[int]]:
    """Numbers of the images that are made at the same time."""
    height, width = chain.shape
    most = CPU_PIXELS if chain.model.device.type == "cpu" else GPU_PIXELS
    count = work.settings.batch or max(1, most // (height * width))
    if _bytes(chain) * count > MOST_IN_MEMORY:
        count = max(1, MOST_IN_MEMORY // _bytes(chain))
    number = work.settings.number
    return (list(range(first, min(first + count, number))) for first in range(0, number, count))


def _bytes(chain: Chain) -> int:
    """Of what is stored of an image between two steps."""
    height, width = chain.shape
    return height * width * chain.start.channels * 4 * (4 if chain.plan.remembers else 2)


def _stored_states(work: Work, chain: Chain) -> States | None:
    """Where large states lie: beside the output, where they outlive the process; ``None`` for in memory."""
    if _bytes(chain) <= MOST_IN_MEMORY:
        return None
    if work.crew is not None:
        raise DiffuscopeError(
            f"Images of {in_pixels(chain.shape)} pixels are each made by one process; leave out the cluster."
        )
    return states_beside(work, tile=chain.tile)
