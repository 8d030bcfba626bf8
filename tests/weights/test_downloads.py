"""Downloads from a server that misbehaves: what arrives is whole, or nothing is there and one sentence says why."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import name_of
from napari_diffuscope.weights import web
from napari_diffuscope.weights.catalogue import find_model, list_models, listed_models
from napari_diffuscope.weights.download import ARRIVING, download_job, download_model
from napari_diffuscope.weights.entries import add_entry
from napari_diffuscope.weights.trial import try_model, verify_model

from .server import ModelServer


def badge_of(name: str) -> str:
    return {model.name: model.badge for model in listed_models()}.get(name, "")


def arrived(places: Path) -> list[Path]:
    return (
        [path for path in (places / "cache").rglob("*") if path.is_file()]
        if (places / "cache").exists()
        else []
    )


def test_a_model_from_an_address_is_at_hand_with_checksum_and_example(
    own_places: Path, server: ModelServer
) -> None:
    add_entry(server.address("whole.zip"), name="mine", sha256=server.sha256, licence="MIT")
    assert badge_of("mine") == "published"
    updates = []
    folder = download_model("mine", on_update=updates.append)
    assert folder == own_places / "cache" / "mine" == find_model("mine")
    assert badge_of("mine") == "downloaded"
    assert "mine" in [card.name for card in list_models("restore")]
    assert max(update.total for update in updates) == len(server.content)
    assert verify_model("mine")
    assert try_model("mine").passed
    assert try_model("mine").difference is not None
    assert json.loads((folder / "origin.json").read_text())["address"] == server.address("whole.zip")
    assert not list((own_places / "cache").glob(f"{ARRIVING}/*")), (
        "what arrived is a model now, and no second copy"
    )
    download_model("mine")
    assert len(server.asked) == 1, "what is there is not downloaded again"


def test_a_cache_that_another_one_fills_is_used_and_named(
    own_places: Path, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("mine", "other"):
        add_entry(server.address("whole.zip"), name=name, sha256=server.sha256)
    folder = download_model("mine")
    may = os.access
    monkeypatch.setattr(
        os, "access", lambda place, mode: Path(place) != own_places / "cache" and may(place, mode)
    )
    assert download_model("mine") == folder
    with pytest.raises(DiffuscopeError, match=r"folder for downloads.*DIFFUSCOPE_CACHE"):
        download_model("other")


def test_a_cut_download_goes_on_where_it_was(
    own_places: Path, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "PAUSE", 0.0)
    add_entry(server.address("cut.zip"), name="mine", sha256=server.sha256)
    assert verify_model(download_model("mine"))
    starts = [wanted for _, wanted in server.asked]
    assert starts[0] == ""
    assert len(starts) > 1
    assert all(wanted.startswith("bytes=") for wanted in starts[1:])


def test_a_cancelled_download_goes_on_where_it_was(own_places: Path, server: ModelServer) -> None:
    add_entry(server.address("drip.zip"), name="mine", sha256=server.sha256)
    job = download_job("mine")
    while next(job).done < 20_000:
        pass
    job.close()  # as the size of what has come says, without the rest
    assert badge_of("mine") == "published"
    (part,) = [path for path in arrived(own_places) if path.suffix == ".zip"]
    assert 0 < part.stat().st_size < len(server.content)
    server.asked.clear()
    add_entry(server.address("drip.zip"), name="mine", sha256=server.sha256, overwrite=True)
    assert verify_model(download_model("mine"))
    assert (
        server.asked[0][1] == f"bytes={part.stat().st_size if part.exists() else server.asked[0][1][6:-1]}-"
    )


def test_a_redirect_is_followed(own_places: Path, server: ModelServer) -> None:
    add_entry(server.address("moved.zip"), name="mine", sha256=server.sha256)
    assert verify_model(download_model("mine"))


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("403.zip", "sign in or accept its terms"),
        ("404.zip", "has mine no more at this address (404)"),
        ("500.zip", "cannot give mine away just now (500)"),
        ("429.zip", "asked too often"),
        ("round.zip", "leads on without an end"),
        ("page.zip", "answers with a web page"),
        ("dead.zip", "1000 bytes are here"),
    ],
)
def test_what_a_server_does_not_give_is_one_sentence(
    own_places: Path, server: ModelServer, monkeypatch: pytest.MonkeyPatch, place: str, said: str
) -> None:
    monkeypatch.setattr(web, "PAUSE", 0.0)
    add_entry(server.address(place), name="mine")
    before = badge_of("mine")
    with pytest.raises(DiffuscopeError) as refused:
        download_model("mine")
    assert said.replace("1000 bytes", "1.0 kB") in str(refused.value)
    assert len(str(refused.value)) < 300
    assert badge_of("mine") == before == "published"


def test_a_server_that_says_nothing_is_given_up(
    own_places: Path, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "PAUSE", 0.0)
    monkeypatch.setattr(web, "TRIES", 2)
    part = own_places / "part"
    with pytest.raises(DiffuscopeError, match=r"127\.0\.0\.1 does not give it away"):
        list(web.fetch(server.address("silent.zip"), part, name="it", checked=False, patience=0.3))
    began = time.monotonic()
    waiting = web.fetch(server.address("silent.zip"), part, name="it", checked=False)
    for _ in range(3):
        next(waiting)
    waiting.close()
    assert time.monotonic() - began < 15, "nobody waits for a silent server who does not want to"


def test_where_nobody_listens(own_places: Path, server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "PAUSE", 0.0)
    address = server.address("whole.zip")
    server.server_close()
    with pytest.raises(DiffuscopeError, match="check the connection"):
        list(web.fetch(address, own_places / "part", name="it", checked=False, patience=2))


def test_another_file_than_the_catalogue_means_is_not_used(own_places: Path, server: ModelServer) -> None:
    add_entry(server.address("whole.zip"), name="mine", sha256="0" * 64)
    with pytest.raises(
        DiffuscopeError, match=f"another file than the catalogue means .*{server.sha256[:12]}"
    ):
        download_model("mine")
    assert badge_of("mine") == "published"
    assert arrived(own_places) == []


def test_a_file_that_is_no_model_is_kept_and_named(own_places: Path, server: ModelServer) -> None:
    server.content = b"these are my notes" * 100
    add_entry(server.address("whole.pt"), name="mine")
    with pytest.raises(DiffuscopeError, match=r"whole\.pt.*has arrived, but cannot be used"):
        download_model("mine")
    assert [path.name for path in arrived(own_places) if path.suffix == ".pt"] == ["whole.pt"]
    assert badge_of("mine") == "published"


def test_no_room_is_said_before_and_while_it_is_written(
    own_places: Path, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_entry(server.address("whole.zip"), name="mine")
    usage = shutil.disk_usage(own_places)
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
        with pytest.raises(DiffuscopeError, match=r"only 1\.0 kB are free"):
            download_model("mine")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(web, "_note", full)
        with pytest.raises(DiffuscopeError, match="the disk is full"):
            download_model("mine")
    assert verify_model(download_model("mine"))


@pytest.mark.parametrize("way", ["environment", "preferences"])
def test_offline_wins_over_everything(
    own_places: Path, server: ModelServer, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    from napari_diffuscope.shared_preferences import SharedPreferences, keep_preferences

    if way == "environment":
        monkeypatch.setenv("DIFFUSCOPE_OFFLINE", "1")
    else:
        monkeypatch.setenv("DIFFUSCOPE_OFFLINE", "0")
        keep_preferences(SharedPreferences(offline=True))
    for address in (server.address("whole.zip"), "doi:10.5281/zenodo.1/file.pt"):
        with pytest.raises(DiffuscopeError, match=f"the {way}.*say.*the web may not be asked"):
            download_model(address, name="mine" if address.startswith("http") else "other")
    assert server.asked == []


def test_looking_at_the_catalogue_asks_nothing_of_the_web(
    own_places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("the web was asked")

    monkeypatch.setattr(socket.socket, "connect", refused)
    assert {model.badge for model in listed_models()} == {"shipped", "published"}
    with pytest.raises(DiffuscopeError, match=r"open https://zenodo\.org/records/10675226 in a browser"):
        download_model("smlm-generator")
    with pytest.raises(DiffuscopeError, match="diffuscope models download msdsr-opensrh"):
        find_model("msdsr-opensrh")


def test_entries_with_an_address_say_that_nobody_verified_them() -> None:
    published = [model.entry for model in listed_models() if model.badge == "published" and model.entry]
    assert {entry.name for entry in published} >= {
        "msdsr-opensrh",
        "smlm-generator",
        "dispr",
        "ddpm-highres-microscopy",
    }
    for entry in published:
        assert not entry.verified, "none of them can be tried where this is tested"
        assert entry.address or entry.by_hand
        assert entry.paper
        assert entry.citation
        assert entry.page


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("https://me:secret@host/a.pt", "no password in it"),
        ("ftp://host/a.pt", "use https"),
        ("hf:nobody", "hf:owner/name"),
        ("doi:10.1/x", "doi:10.NUMBER/RECORD/FILE"),
        ("/nowhere/a.pt", "There is no file or folder"),
    ],
)
def test_addresses_that_cannot_be_are_refused(own_places: Path, address: str, said: str) -> None:
    with pytest.raises(DiffuscopeError, match=said) as refused:
        add_entry(address)
    assert "secret" not in str(refused.value)
    assert not (own_places / "models").exists()


def test_a_path_is_an_entry_too_and_is_missing_when_it_is_gone(own_places: Path, zipped_model: Path) -> None:
    copy = Path(shutil.copy(zipped_model, own_places / "lab.zip"))
    assert add_entry(copy).name == "lab"
    assert verify_model(download_model("lab"))
    assert copy.is_file(), "a file of the user stays where it is"
    add_entry(copy, name="again")
    copy.unlink()
    (gone,) = [model for model in listed_models() if model.name == "again"]
    assert gone.badge == "missing"
    assert name_of(copy).strip("'") in gone.problem


TURNS = """
import sys
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.weights.download import download_model
from napari_diffuscope.weights.removal import remove_model
if sys.argv[1] == "get":
    import napari_diffuscope.weights.trial
from pathlib import Path
print("ready", flush=True)
sys.stdin.readline()
turns, over = 0, Path(sys.argv[2])
while not over.exists():
    try:
        download_model("mine") if sys.argv[1] == "get" else remove_model("mine")
        turns += 1
        if sys.argv[1] == "remove" and turns == 3:
            over.touch()
    except DiffuscopeError as error:
        if "not on this computer" not in str(error):
            sys.exit(str(error))
print(turns)
"""


def test_two_processes_that_get_and_remove_a_model_at_once_leave_it_whole(
    own_places: Path, zipped_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_diffuscope.weights import entries

    # An entry of the package's kind: removing the model leaves it in the catalogue.
    add_entry(zipped_model, name="mine")
    script = TURNS.replace("import sys\n", "import sys\nimport napari_diffuscope.weights.removal as r\n"
                           "r.own_entries = lambda: ()\nr.remove_entry = lambda name: False\n", 1)  # fmt: skip
    assert entries.own_entries()
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, what, str(own_places / "over")],
            text=True,
            stdin=-1,
            stdout=-1,
            stderr=-1,
        )
        for what in ("get", "remove")
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        assert int(out) >= 3, "both had their turns"
    folder = own_places / "cache" / "mine"
    if folder.exists():
        verify_model(folder)
    left = {path.name for path in (own_places / "cache").iterdir()} - {"mine", "checksums.json"}
    assert left == set()


def test_two_downloads_of_one_model_at_once_take_turns(own_places: Path, server: ModelServer) -> None:
    add_entry(server.address("drip.zip"), name="mine", sha256=server.sha256)
    places: list[Path] = []
    threads = [threading.Thread(target=lambda: places.append(download_model("mine"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert places == [own_places / "cache" / "mine"] * 2
    assert len(server.asked) == 1
