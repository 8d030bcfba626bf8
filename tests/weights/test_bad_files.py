"""Files that are no models, crafted and foreign, through the function that imports: a sentence each, nothing run."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import struct
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.weights.describe import import_model

Maker = Callable[[Path], Any]
"""Makes a bad file at a path, or at another, which it returns."""


class Touches:
    """Unpickled the usual way, it makes a file."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.canary}",)


def canary(path: Path) -> Path:
    return path.parent / "canary"


def torch_zip(path: Path, content: Any, *, compress: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", compress) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(content, protocol=2))
        archive.writestr("archive/version", "3\n")


def cut(path: Path, share: float) -> None:
    torch.save({"input_blocks.0.0.weight": torch.zeros(64, 64)}, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def safetensors(path: Path, header: Any, size: int = 64) -> None:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.with_suffix(".safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(size))


def entry(*, shape: list[int], offsets: list[int], dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def torchscript(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/code/__torch__.py", "def forward(self): pass")
        archive.writestr("net/constants.pkl", pickle.dumps(()))
        archive.writestr("net/data.pkl", pickle.dumps({}))


def zipped(path: Path, files: dict[str, bytes], *, compress: int = zipfile.ZIP_STORED) -> Path:
    path = path.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", compress) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tarred(path: Path, name: str, *, link: str = "") -> Path:
    path = path.with_suffix(".tar")
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo(name)
        if link:
            member.type, member.linkname = tarfile.SYMTYPE, link
        archive.addfile(member, io.BytesIO())
    return path


def folder(path: Path, files: dict[str, bytes]) -> Path:
    path = path.with_suffix("")
    path.mkdir()
    for name, content in files.items():
        (path / name).write_bytes(content)
    return path


def looping(path: Path) -> Path:
    path.symlink_to(path)
    return path


def looping_folder(path: Path) -> Path:
    inside = folder(path, {})
    (inside / "model.json").symlink_to(inside / "model.json")
    (inside / "again").symlink_to(inside)
    return inside


def pipe(path: Path) -> None:
    os.mkfifo(path)


def saved(content: Any) -> Maker:
    return lambda path: torch.save(content, path)


def text(content: bytes) -> Maker:
    return lambda path: path.write_bytes(content)


WAYS_ON = (
    "get", "choose", "ask", "open", "unpack", "run", "import", "check", "correct", "say", "mend", "save", "do",
)  # fmt: skip
CARD = json.dumps({"name": "x", "title": "x", "purpose": "", "task": "restore"}).encode()
WEIGHTS = save({"a": torch.zeros(3)})
ONNX = b"\x08\x08\x12\x07pytorch\x1a\x052.1.0:" + bytes(range(200))

BAD: dict[str, Maker] = {
    "empty": text(b""),
    "one byte": text(b"P"),
    "cut after a tenth": lambda path: cut(path, 0.1),
    "cut before its end": lambda path: cut(path, 0.98),
    "code in a zip of torch": lambda path: torch_zip(path, {"state_dict": Touches(canary(path))}),
    "code in a bare pickle": lambda path: path.write_bytes(pickle.dumps(Touches(canary(path)))),
    "code in an old pickle": lambda path: path.write_bytes(pickle.dumps(Touches(canary(path)), protocol=0)),
    "code among settings": lambda path: torch_zip(path, {"model": {}, "args": Touches(canary(path))}),
    "eval": lambda path: path.write_bytes(b"cbuiltins\neval\n(S'1+1'\ntR."),
    "a bomb in a zip of torch": lambda path: torch_zip(
        path, {"a": "0" * 10**7}, compress=zipfile.ZIP_DEFLATED
    ),
    "a bomb in an archive": lambda path: zipped(
        path, {"weights.safetensors": bytes(7 * 10**7)}, compress=zipfile.ZIP_DEFLATED
    ),
    "a bomb in gzip": lambda path: path.with_suffix(".tgz").write_bytes(gzip.compress(bytes(7 * 10**7), 9)),
    "TorchScript": torchscript,
    "a saved network": saved(torch.nn.Linear(2, 2)),
    "an optimiser": saved(torch.optim.Adam([torch.nn.Parameter(torch.ones(2))]).state_dict()),
    "a list": saved([torch.ones(2)]),
    "a tensor": saved(torch.ones(2)),
    "nothing but settings": saved({"epoch": 3, "args": {"heads": 4}}),
    "another network": saved(
        {"layer1.0.conv1.weight": torch.ones(4, 4, 3, 3), "fc.weight": torch.ones(2, 4)}
    ),
    "a latent network": saved(
        {
            "model.diffusion_model.input_blocks.0.0.weight": torch.ones(32, 4, 3, 3),
            "first_stage_model.encoder.conv_in.weight": torch.ones(4, 3, 3, 3),
        }
    ),
    "half a network": saved({"init_conv.weight": torch.ones(16, 1, 7, 7)}),
    "two networks": saved(
        {
            "a": {"init_conv.weight": torch.ones(16, 1, 7, 7)},
            "b": {"init_conv.weight": torch.ones(16, 1, 7, 7)},
        }
    ),
    "ONNX": lambda path: path.with_suffix(".onnx").write_bytes(ONNX),
    "Keras HDF5": lambda path: path.with_suffix(".h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(500)),
    "Keras": lambda path: zipped(
        path, {"config.json": b'{"class_name": "Functional"}', "model.weights.h5": b"\x89HDF"}
    ),
    "TensorFlow": lambda path: folder(path, {"saved_model.pb": b"\x08\x01", "keras_metadata.pb": b""}),
    "GGUF": text(b"GGUF\x03\x00\x00\x00" + bytes(100)),
    "a numpy array": lambda path: np.save(path.with_suffix(".npy"), np.ones(3)),
    "numpy arrays": lambda path: np.savez(path.with_suffix(".npz"), a=np.ones(3)),
    "a numpy array of objects": lambda path: np.save(
        path.with_suffix(".npy"), np.array([Touches(canary(path))], object), allow_pickle=True
    ),
    "PNG": text(b"\x89PNG\r\n\x1a\n" + bytes(50)),
    "JPEG": text(b"\xff\xd8\xff\xe0" + bytes(50)),
    "TIFF": text(b"II*\0" + bytes(50)),
    "PDF": text(b"%PDF-1.7\n"),
    "a web page": text(b"<!DOCTYPE html><html>404</html>"),
    "text": text(b"Gewichte auf Anfrage\n"),
    "a program": text(b"import os\nos.system('touch canary')\n"),
    "JSON": text(b'{"heads": 4}'),
    "a note of Git LFS": text(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n"),
    "7z": text(b"7z\xbc\xaf\x27\x1c" + bytes(50)),
    "random": text(np.random.default_rng(0).bytes(5000)),
    "zeros": text(bytes(5000)),
    "safetensors with a header of gigabytes": lambda path: path.with_suffix(".safetensors").write_bytes(
        struct.pack("<Q", 1 << 60) + b"{" + bytes(50)
    ),
    "safetensors of broken JSON": lambda path: safetensors(path, b'{"a": {"dtype": "F32", '),
    "safetensors that overlap": lambda path: safetensors(
        path, {"a": entry(shape=[8], offsets=[0, 32]), "b": entry(shape=[8], offsets=[16, 48])}
    ),
    "safetensors beyond the end": lambda path: safetensors(
        path, {"a": entry(shape=[999], offsets=[0, 3996])}
    ),
    "safetensors of wrong sizes": lambda path: safetensors(path, {"a": entry(shape=[7], offsets=[0, 64])}),
    "safetensors of an unknown type": lambda path: safetensors(
        path, {"a": entry(shape=[16], offsets=[0, 64], dtype="Q7")}
    ),
    "safetensors without tensors": lambda path: safetensors(path, {}, 0),
    "an archive that climbs out": lambda path: zipped(path, {"../../weights.safetensors": WEIGHTS}),
    "an archive with a link": lambda path: tarred(path, "model.pt", link="/etc/passwd"),
    "an archive without a model": lambda path: zipped(path, {"README.md": b"#"}),
    "an archive with two models": lambda path: zipped(
        path, {"a.safetensors": WEIGHTS, "b.safetensors": WEIGHTS}
    ),
    "a zip that is cut": lambda path: zipped(path, {"a.safetensors": WEIGHTS}).write_bytes(
        b"PK\x03\x04" + bytes(40)
    ),
    "a package of the zoo": lambda path: zipped(path, {"rdf.yaml": b"type: model", "weights.pt": b""}),
    "an empty folder": lambda path: folder(path, {}),
    "a folder with half a card": lambda path: folder(
        path, {"model.json": CARD, "weights.safetensors": WEIGHTS}
    ),
    "a folder with a card of no JSON": lambda path: folder(
        path, {"model.json": b"{", "weights.safetensors": WEIGHTS}
    ),
    "a folder of another pipeline": lambda path: folder(
        path, {"model_index.json": b'{"unet": ["diffusers", "UNet2DConditionModel"]}'}
    ),
    "a folder of another kind of network": lambda path: folder(
        path, {"config.json": b'{"architectures": ["Bert"]}'}
    ),
    "a link to itself": looping,
    "a folder of links to itself": looping_folder,
    "a pipe": pipe,
    "a device": lambda path: Path("/dev/zero"),
    "nothing": lambda path: path.parent / "absent.pt",
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes and no such links")
@pytest.mark.parametrize("kind", BAD)
def test_bad_files(tmp_path: Path, kind: str) -> None:
    (tmp_path / "in").mkdir()
    made = BAD[kind](tmp_path / "in" / "model.pt")
    path = made if isinstance(made, Path) else next((tmp_path / "in").iterdir())
    before = sorted(tmp_path.rglob("*"))
    began = time.process_time()
    with pytest.raises(DiffuscopeError) as error:
        import_model(path, tmp_path / "out")
    sentence = str(error.value)
    assert time.process_time() - began < 30
    assert len(sentence) <= 300
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert "Traceback" not in sentence
    assert path.name in sentence
    assert sentence.count(str(tmp_path)) <= 1
    way_on = sentence.rpartition("; ")[2].split()[0]
    assert way_on in WAYS_ON, f"what to do is said at the end of: {sentence}"
    assert sorted(tmp_path.rglob("*")) == before  # nothing was run, and nothing is left behind


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("TorchScript", "TorchScript program"),
        ("ONNX", "ONNX network"),
        ("Keras HDF5", "HDF5"),
        ("a numpy array", "NumPy array"),
        ("GGUF", "GGUF"),
        ("Keras", "only UNet2DModel"),
        ("a folder of another kind of network", "only UNet2DModel"),
    ],
)
def test_foreign_files_are_called_what_they_are(tmp_path: Path, kind: str, word: str) -> None:
    made = BAD[kind](tmp_path / "model.pt")
    with pytest.raises(DiffuscopeError, match=word):
        import_model(made if isinstance(made, Path) else next(tmp_path.iterdir()), tmp_path / "out")


def test_they_are_many() -> None:
    assert len(BAD) > 40
