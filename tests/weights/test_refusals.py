"""Files that must not be opened: refused in one sentence, with nothing run and nothing left behind."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import struct
import sys
import tarfile
import tracemalloc
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save, save_file

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.networks.openai_unet import OpenAIUNet, OpenAIUNetConfig
from napari_diffuscope.weights.describe import import_model
from napari_diffuscope.weights.model import load_model
from napari_diffuscope.weights.safe_pickle import read_pickle
from tests.weights import foreign

SIDECAR = {
    "task": "generation",
    "prediction": "epsilon",
    "schedule": {"kind": "linear", "count": 100},
    "time": "index",
    "data_range": [-1, 1],
    "heads": 1,
}


def weights() -> dict[str, torch.Tensor]:
    config = OpenAIUNetConfig(
        in_channels=1, out_channels=1, model_channels=32, channel_multipliers=(1, 2), res_blocks=1
    )
    return OpenAIUNet(config).state_dict()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a sidecar, so that nothing but the file itself can be the matter."""
    place = tmp_path / "place"
    place.mkdir()
    (place / "model.json").write_text(json.dumps(SIDECAR))
    return place


@pytest.fixture
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that appears if anything in a checkpoint is run."""
    place = tmp_path / "canary"
    monkeypatch.setenv("CANARY", str(place))
    return place


def refused(path: Path, *words: str, canary: Path | None = None) -> str:
    """The sentence with which a file is refused."""
    before = sorted(path.parent.parent.rglob("*"))
    with pytest.raises(DiffuscopeError) as error:
        load_model(path)
    sentence = str(error.value)
    assert path.name in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
    for word in words:
        assert word in sentence
    assert sorted(path.parent.parent.rglob("*")) == before
    assert canary is None or not canary.exists()
    return sentence


def test_the_same_file_opens_when_nothing_is_wrong(folder: Path) -> None:
    torch.save(weights(), folder / "good.pt")
    save_file(weights(), folder / "good.safetensors")
    for name in ("good.pt", "good.safetensors"):
        assert load_model(folder / name).card.task == "generate"


# Pickles that need code


class Runs:
    """An object that runs a function when it is unpickled."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.function, self.arguments


TOUCH = "import os; open(os.environ['CANARY'], 'w').close()"
MALICE: dict[str, tuple[Callable[[], Any], str]] = {
    "system": (lambda: Runs(os.system, "touch $CANARY"), "system"),
    "eval": (lambda: Runs(eval, "open(__import__('os').environ['CANARY'], 'w')"), "eval"),
    "exec": (lambda: Runs(exec, TOUCH), "exec"),
    "open": (lambda: Runs(open, os.environ["CANARY"], "w"), "open"),
    "nested": (lambda: Runs(pickle.loads, pickle.dumps(Runs(exec, TOUCH))), "loads"),
    "load": (lambda: Runs(torch.load, "other.pt"), "torch.serialization.load"),
}


@pytest.mark.parametrize("kind", MALICE)
@pytest.mark.parametrize(
    "place", ["tensor", "beside", "metadata", "hyper-parameters", "bare pickle", "protocol 5"]
)
def test_pickles_that_run_code(folder: Path, canary: Path, kind: str, place: str) -> None:
    make, name = MALICE[kind]
    malice, state = make(), OrderedDict(weights())
    path = folder / "model000100.pt"
    if place == "tensor":
        state["out.2.bias"] = malice
        torch.save(state, path)
    elif place == "beside":
        torch.save({"state_dict": state, "epoch": malice}, path)
    elif place == "metadata":
        state._metadata = malice  # type: ignore[attr-defined]
        torch.save(state, path)
    elif place == "hyper-parameters":
        with foreign.importable():
            torch.save({**foreign.around(state), "hyper_parameters": foreign.AttributeDict(a=[malice])}, path)
    elif place == "bare pickle":
        path.write_bytes(pickle.dumps(malice, protocol=2))
    else:
        torch.save({"state_dict": state, "epoch": malice}, path, pickle_protocol=5)
    refused(path, name, "nothing of it was run", canary=canary)


def test_code_that_builds_on_known_functions() -> None:
    """A state may not be hung on a function: that would change it for everybody."""
    attack = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}X\x01\x00\x00\x00aK\x01sb."
    with pytest.raises(DiffuscopeError, match="damaged"):
        read_pickle(attack, "file")
    assert not hasattr(torch._utils._rebuild_tensor_v2, "a")


def test_foreign_objects_are_refused_among_weights_and_ignored_beside_them(folder: Path) -> None:
    path = folder / "last.ckpt"
    with foreign.importable():
        torch.save({**weights(), "config": foreign.DictConfig({})}, path)
        refused(path, "config is an object made by vanished_configuration_library.DictConfig")
        torch.save(foreign.around(weights()), path)
    assert load_model(path).card.training["epoch"] == 59
    assert foreign.MODULE not in sys.modules


def test_a_pickled_network_is_no_weights(folder: Path) -> None:
    path = folder / "whole.pt"
    torch.save(torch.nn.Linear(2, 2), path)
    refused(path, "torch.nn.modules.linear.Linear", "state_dict()")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickles_of_every_protocol_open(folder: Path, protocol: int) -> None:
    path = folder / "model.pt"
    torch.save({"state_dict": weights(), "epoch": 7}, path, pickle_protocol=protocol)
    assert load_model(path).card.training["epoch"] == 7


def test_a_pickle_that_asks_for_gigabytes_gets_none() -> None:
    tracemalloc.start()
    try:
        read_pickle(b"\x80\x02cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R.", "file")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_exponential_pickles_take_no_time() -> None:
    doubling = b"\x80\x02)" + b"\x85q\x00h\x00\x86" * 200 + b"."
    assert isinstance(read_pickle(doubling, "file"), tuple)
    as_key = b"\x80\x02})" + b"2\x86" * 200 + b"K\x01s."
    with pytest.raises(DiffuscopeError, match="a key is a tuple"):
        read_pickle(as_key, "file")


def test_any_damage_to_a_pickle_is_a_sentence() -> None:
    """Whatever the bytes: plain data, or the one kind of error."""
    buffer = io.BytesIO()
    with foreign.importable():
        torch.save(foreign.around({"a": torch.zeros(3), "b": torch.nn.Parameter(torch.zeros(2))}), buffer)
    with zipfile.ZipFile(buffer) as archive:
        good = archive.read("archive/data.pkl")
    dice = random.Random(0)
    survived = 0
    for _ in range(1500):
        data = bytearray(good)
        for _ in range(dice.randint(1, 4)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        with suppress(DiffuscopeError):
            read_pickle(bytes(data[: dice.randint(1, len(data))]), "file")
            survived += 1
    assert survived < 1500


# Damaged, truncated, and of another kind


@pytest.mark.parametrize("share", [0.001, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("name", ["model.pt", "model.safetensors"])
def test_truncated_files(folder: Path, name: str, share: float) -> None:
    path = folder / name
    save_file(weights(), path) if name.endswith("safetensors") else torch.save(weights(), path)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    refused(path)


def test_a_changed_byte_in_the_weights_or_in_their_table(folder: Path) -> None:
    path = folder / "model.pt"
    torch.save(weights(), path)
    good = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        large = [info for info in archive.infolist() if info.file_size > 5000]
    assert large[0].filename == "model/data.pkl"
    for info in large[:3]:
        place = info.header_offset + 200
        path.write_bytes(good[:place] + bytes([good[place] ^ 0x55]) + good[place + 1 :])
        refused(path, "damaged", "checksum")


OTHERS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty"),
    "png": (b"\x89PNG\r\n\x1a\n" + bytes(100), "PNG"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5"),
    "tiff": (b"II*\0" + bytes(100), "TIFF"),
    "text": (b"epoch,loss\n1,0.5\n", "text"),
    "html": (b"<!DOCTYPE html><html>not found</html>", "web page"),
    "numpy": (b"\x93NUMPY\x01\x00" + bytes(100), "NumPy"),
    "gzip": (b"\x1f\x8b\x08" + bytes(100), "an archive"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git LFS"),
    "noise": (bytes(range(200, 256)) * 10, "none of the known"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_files_of_another_kind(folder: Path, kind: str) -> None:
    data, word = OTHERS[kind]
    for name in ("model.pt", "model.dat"):
        (folder / name).write_bytes(data)
        refused(folder / name, word)
    (folder / "model.safetensors").write_bytes(data)
    refused(folder / "model.safetensors")


def test_a_folder_without_a_model(folder: Path, tmp_path: Path) -> None:
    empty = tmp_path / "place" / "empty"
    empty.mkdir()
    refused(empty, "model_index.json")


def test_formats_of_old_torch(folder: Path) -> None:
    path = folder / "model.pt"
    torch.save(weights(), path, _use_new_zipfile_serialization=False)
    refused(path, "save the weights again")
    with tarfile.open(folder / "tar.pt", "w") as archive:
        for name in ("sys_info", "pickle", "tensors", "storages"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    refused(folder / "tar.pt", "an archive")


def test_optimiser_and_other_dictionaries(folder: Path) -> None:
    torch.save(torch.optim.Adam([torch.nn.Parameter(torch.zeros(2))]).state_dict(), folder / "opt.pt")
    refused(folder / "opt.pt", "optimiser")
    torch.save({"a": torch.zeros(2)}, folder / "other.pt")
    refused(folder / "other.pt", "no diffusion network that is known")
    torch.save({}, folder / "nothing.pt")
    refused(folder / "nothing.pt", "no weights")
    torch.save(torch.zeros(2), folder / "tensor.pt")
    refused(folder / "tensor.pt", "a single tensor")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", ["model.pt", "model.safetensors"])
def test_weights_that_are_not_finite(folder: Path, name: str, value: float) -> None:
    state = weights()
    state["middle_block.0.in_layers.2.weight"].view(-1)[-1] = value
    path = folder / name
    save_file(state, path) if name.endswith("safetensors") else torch.save(state, path)
    refused(path, "not finite", "middle_block.0.in_layers.2.weight")


def test_large_finite_weights_are_fine(folder: Path) -> None:
    """Their sum overflows, which must not be taken for a value that is not finite."""
    state = weights()
    state["middle_block.0.in_layers.2.weight"].fill_(3e38)
    torch.save(state, folder / "model.pt")
    load_model(folder / "model.pt")


# Archives


def rewritten(
    path: Path, target: Path, change: Callable[[str, bytes], list[tuple[str, bytes]]], **options: Any
) -> None:
    """A zip archive with its entries changed."""
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w", **options) as out:
        for name in source.namelist():
            for new_name, data in change(name, source.read(name)):
                out.writestr(new_name, data)


def test_compressed_entries(folder: Path) -> None:
    torch.save(weights(), folder / "good.pt")
    rewritten(folder / "good.pt", folder / "bomb.pt", lambda n, d: [(n, d)], compression=zipfile.ZIP_DEFLATED)
    refused(folder / "bomb.pt", "compressed")


def test_entries_that_are_missing_too_short_or_doubled(folder: Path) -> None:
    torch.save(weights(), folder / "good.pt")

    def without(name: str, data: bytes) -> list[tuple[str, bytes]]:
        return [] if name.endswith("/data/3") else [(name, data)]

    def shorter(name: str, data: bytes) -> list[tuple[str, bytes]]:
        return [(name, data[:-4] if name.endswith("/data/3") else data)]

    def big_endian(name: str, data: bytes) -> list[tuple[str, bytes]]:
        return [(name, b"big" if name.endswith("byteorder") else data)]

    def script(name: str, data: bytes) -> list[tuple[str, bytes]]:
        return (
            [(name, data), (name.replace("data.pkl", "constants.pkl"), data)]
            if "data.pkl" in name
            else [(name, data)]
        )

    for change, word in (
        (without, "data/3"),
        (shorter, "beyond its data"),
        (big_endian, "big-endian"),
        (script, "TorchScript"),
    ):
        rewritten(folder / "good.pt", folder / "bad.pt", change)
        refused(folder / "bad.pt", word)
    for name in ("../escaped", "/tmp/escaped", "C:\\escaped"):
        rewritten(
            folder / "good.pt",
            folder / "bad.pt",
            lambda n, d, extra=name: [(n, d)] if "pkl" not in n else [(n, d), (extra, b"")],
        )
        refused(folder / "bad.pt", "outside of its folder")
    with zipfile.ZipFile(folder / "good.pt", "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("good/data.pkl", b"")
    refused(folder / "good.pt", "doubled")


class Claims:
    """A tensor that claims to be larger than its data."""

    def __init__(self, shape: tuple[int, ...], stride: tuple[int, ...], offset: int = 0) -> None:
        self.claim = (torch.zeros(4).untyped_storage(), offset, shape, stride)

    def __reduce__(self) -> tuple[Any, ...]:
        storage, *rest = self.claim
        typed = torch.storage.TypedStorage(wrap_storage=storage, dtype=torch.float32, _internal=True)
        return torch._utils._rebuild_tensor_v2, (typed, *rest, False, OrderedDict())


@pytest.mark.parametrize(
    ("shape", "stride", "offset"),
    [((5,), (1,), 0), ((2,), (4,), 0), ((4,), (1,), 1), ((10**6, 10**6), (0, 0), 0), ((2**40,), (0,), 0)],
)
def test_tensors_that_reach_beyond_their_data(
    folder: Path, shape: tuple[int, ...], stride: tuple[int, ...], offset: int
) -> None:
    path = folder / "model.pt"
    torch.save({**weights(), "out.2.bias": Claims(shape, stride, offset)}, path)
    refused(path, "out.2.bias")


def test_networks_of_absurd_depth(folder: Path) -> None:
    state = {**weights(), "input_blocks.999999999.0.weight": torch.zeros(1)}
    torch.save(state, folder / "model.pt")
    refused(folder / "model.pt", "impossible name")
    torch.save({**weights(), "out.2.\n": torch.zeros(1)}, folder / "model.pt")
    refused(folder / "model.pt", "impossible name")


def header(entries: dict[str, Any], body: bytes = b"", length: int | None = None) -> bytes:
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


F32 = {"dtype": "F32", "shape": [2]}
SAFETENSORS = {
    "huge header": header({}, length=10**15),
    "long header": header({}, length=200),
    "no JSON": struct.pack("<Q", 4) + b"{{{{",
    "overlap": header(
        {"a": {**F32, "data_offsets": [0, 8]}, "b": {**F32, "data_offsets": [4, 12]}}, bytes(12)
    ),
    "beyond": header({"a": {**F32, "data_offsets": [0, 8]}}, bytes(4)),
    "wrong size": header({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}, bytes(8)),
    "overflow": header({"a": {"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 8]}}, bytes(8)),
    "unknown type": header({"a": {"dtype": "X9", "shape": [2], "data_offsets": [0, 8]}}, bytes(8)),
    "hole": header({"a": {**F32, "data_offsets": [8, 16]}}, bytes(16)),
    "only a length": struct.pack("<Q", 0),
    "three bytes": b"abc",
}


@pytest.mark.parametrize("kind", SAFETENSORS)
def test_lying_safetensors(folder: Path, kind: str) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(SAFETENSORS[kind])
    refused(path, "safetensors")


def packed_files() -> dict[str, bytes]:
    """A checkpoint and its sidecar, as somebody may pack them."""
    buffer = io.BytesIO()
    torch.save(weights(), buffer)
    return {"model/net.pt": buffer.getvalue(), "model/model.json": json.dumps(SIDECAR).encode()}


def zipped(path: Path, files: dict[str, bytes], **attributes: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = attributes.get(name.rsplit("/", 1)[-1].split(".")[0], 0o100644) << 16
            archive.writestr(info, data)
    return path


def import_refused(path: Path, word: str) -> None:
    out = path.parent / "out"
    before = sorted(path.parent.parent.rglob("*"))
    with pytest.raises(DiffuscopeError, match=word) as error:
        import_model(path, out)
    assert "\n" not in str(error.value)
    assert sorted(path.parent.parent.rglob("*")) == before


@pytest.mark.parametrize(
    "name", ["../escaped.pt", "model/../../escaped.pt", "/tmp/escaped.pt", "C:\\escaped.pt", "..\\escaped.pt"]
)
def test_archives_that_climb_out(folder: Path, name: str) -> None:
    import_refused(zipped(folder / "a.zip", {name: b"x"}), "outside of the folder")
    with tarfile.open(folder / "a.tgz", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    import_refused(folder / "a.tgz", "outside of the folder")
    refused(folder / "a.zip", "an archive", "models import")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_archives_with_links_and_devices(folder: Path, kind: bytes) -> None:
    with tarfile.open(folder / "a.tar", "w") as archive:
        info = tarfile.TarInfo("model/link")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    import_refused(folder / "a.tar", "link or device")


def test_zip_with_a_symbolic_link(folder: Path) -> None:
    import_refused(zipped(folder / "a.zip", {"model/link": b"/etc/passwd"}, link=0o120777), "link or device")


def test_bombs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_diffuscope.weights.unpack.LEAST_LIMIT", 1 << 20)
    import_refused(zipped(folder / "a.zip", {"model/net.pt": bytes(4 << 20)}), "20 times its size")
    with tarfile.open(folder / "a.tgz", "w:gz") as archive:
        info = tarfile.TarInfo("model/net.pt")
        info.size = 4 << 20
        archive.addfile(info, io.BytesIO(bytes(info.size)))
    import_refused(folder / "a.tgz", "20 times its size")
    with tarfile.open(
        folder / "b.tgz", "w:gz", format=tarfile.PAX_FORMAT, pax_headers={"comment": "x" * (4 << 20)}
    ) as archive:
        archive.addfile(tarfile.TarInfo("net.pt"), io.BytesIO())
    import_refused(folder / "b.tgz", "20 times its size")


def test_too_many_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_diffuscope.weights.unpack.MOST_ENTRIES", 5)
    import_refused(zipped(folder / "a.zip", {f"model/{i}": b"" for i in range(6)}), "more than 5 files")


def test_truncated_archives(folder: Path) -> None:
    with tarfile.open(folder / "a.tgz", "w:gz") as archive:
        for name, data in packed_files().items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    whole = (folder / "a.tgz").read_bytes()
    (folder / "a.tgz").write_bytes(whole[: len(whole) // 2])
    import_refused(folder / "a.tgz", "damaged or cut short")
    (folder / "a.tgz").write_bytes(whole)
    assert import_model(folder / "a.tgz", folder / "out").task == "generate"
    zipped(folder / "a.zip", packed_files())
    assert import_model(folder / "a.zip", folder / "out2").task == "generate"


def test_archives_with_no_model_or_several(folder: Path) -> None:
    import_refused(zipped(folder / "a.zip", {"readme.txt": b"hello"}), "holds no model")
    two = {**packed_files(), "other/net.pt": b"x"}
    import_refused(zipped(folder / "b.zip", two), "holds 2 models")


def test_numbers_in_safetensors_of_numpy_are_the_same(folder: Path) -> None:
    """The reader of safetensors agrees with an independent reading of the format."""
    data = save({"a": torch.arange(6, dtype=torch.float32)})
    (length,) = struct.unpack("<Q", data[:8])
    start, stop = json.loads(data[8 : 8 + length])["a"]["data_offsets"]
    np.testing.assert_array_equal(np.frombuffer(data[8 + length :][start:stop], np.float32), np.arange(6))


# Descriptions of networks that cannot be


@pytest.mark.parametrize(
    ("entries", "word"),
    [
        ({"res_blocks": 10**9}, "res_blocks"),
        ({"channel_multipliers": [1] * 1000}, "channel_multipliers"),
        ({"model_channels": 10**12}, "model_channels"),
        ({"head_channels": 0}, "cannot be built"),
        ({"dims": 7}, "7"),
        ({"depth": 3}, "depth"),
    ],
)
def test_cards_of_networks_that_cannot_be_built(folder: Path, entries: dict[str, Any], word: str) -> None:
    torch.save(weights(), folder / "model.pt")
    import_model(folder / "model.pt", folder / "mine")
    card = json.loads((folder / "mine" / "model.json").read_text())
    card["network"]["arguments"].update(entries)
    (folder / "mine" / "model.json").write_text(json.dumps(card))
    with pytest.raises(DiffuscopeError, match=word):
        load_model(folder / "mine")


@pytest.mark.parametrize(
    "schedule",
    [
        {"kind": "linear", "count": 0},
        {"kind": "linear", "count": 10},
        {"kind": "cosine", "count": 10**12},
        {"kind": "scaled-linear", "count": 100, "betas": [0.5, 0.1]},
        {"kind": "linear", "count": 100, "betas": [0.0, 2.0]},
    ],
)
def test_schedules_that_cannot_be(folder: Path, schedule: dict[str, Any]) -> None:
    torch.save(weights(), folder / "model.pt")
    (folder / "model.json").write_text(json.dumps({**SIDECAR, "schedule": schedule}))
    with pytest.raises(DiffuscopeError, match="is impossible"):
        load_model(folder / "model.pt")


def test_attention_without_heads(folder: Path) -> None:
    torch.save(weights(), folder / "model.pt")
    (folder / "model.json").write_text(json.dumps({**SIDECAR, "heads": 0}))
    with pytest.raises(DiffuscopeError, match="heads must be at least 1"):
        load_model(folder / "model.pt")
    (folder / "model.json").write_text(json.dumps({**SIDECAR, "heads": 7}))
    with pytest.raises(DiffuscopeError, match="7 heads"):
        load_model(folder / "model.pt")


def test_weights_that_are_whole_numbers(folder: Path) -> None:
    state = weights()
    state["out.2.bias"] = torch.zeros(1, dtype=torch.int64)
    torch.save(state, folder / "model.pt")
    refused(folder / "model.pt", "1 of whole numbers (out.2.bias)")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "model.pt")
    refused(folder / "model.pt", "is a pipe")
