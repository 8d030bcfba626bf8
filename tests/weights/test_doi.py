"""Files by DOI: the resolver and the archive are played by a server on this computer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pooch.downloaders
import pytest
import requests

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.weights import doi
from napari_diffuscope.weights.download import download_job, download_model
from napari_diffuscope.weights.trial import verify_model

from .server import ModelServer


@pytest.fixture(autouse=True)
def archive(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """doi.org and Zenodo are this server; whatever else is asked of the web fails."""
    real = requests.get
    here = server.address("").rstrip("/")

    def get(address: str, **options: Any) -> requests.Response:
        address = address.replace("https://doi.org/", f"{here}/doi/")
        assert address.startswith(here), address
        assert options.get("timeout"), "without it a silent server would be waited for without end"
        return real(address, **options)

    def initialize(cls: type, doi: str, archive_url: str, **options: Any) -> Any:
        return cls(doi, archive_url, **options) if "/page/" in archive_url else None

    monkeypatch.setattr(requests, "get", get)
    zenodo = pooch.downloaders.ZenodoRepository
    monkeypatch.setattr(zenodo, "initialize", classmethod(initialize))
    monkeypatch.setattr(zenodo, "base_api_url", f"{here}/api")


def test_a_file_of_a_doi_is_got_from_its_archive(own_places: Path, server: ModelServer) -> None:
    folder = download_model("doi:10.5281/zenodo.7/model.zip", name="mine", sha256=server.sha256)
    assert folder == own_places / "cache" / "mine"
    assert verify_model("mine")
    assert [place for place, _ in server.asked] == ["doi", "page", "api", "whole"]


@pytest.mark.parametrize(
    ("record", "address", "said"),
    [
        ({}, "doi:10.5281/zenodo.7/other.zip", "no file 'other.zip' under the DOI"),
        ({}, "doi:10.5281/zenodo.8/model.zip", r"no DOI 10\.5281/zenodo\.8 \(404\)"),
        ({"status": 404, "message": "gone"}, "doi:10.5281/zenodo.7/model.zip", "does not say where"),
        ({"files": []}, "doi:10.5281/zenodo.7/model.zip", "no file 'model.zip'"),
    ],
)
def test_what_an_archive_does_not_have_is_one_sentence(
    own_places: Path, server: ModelServer, record: dict[str, Any], address: str, said: str
) -> None:
    server.record = record
    with pytest.raises(DiffuscopeError, match=said):
        download_model(address, name="mine")
    assert not (own_places / "cache" / "mine").exists()


def test_an_archive_that_cannot_be_asked(
    own_places: Path, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("Figshare", "Zenodo", "Dataverse"):
        repository = getattr(pooch.downloaders, f"{kind}Repository")
        monkeypatch.setattr(repository, "initialize", classmethod(lambda *_, **__: None))
    with pytest.raises(DiffuscopeError, match=r"only Zenodo, Figshare and Dataverse.*import it"):
        download_model("doi:10.5281/zenodo.7/model.zip", name="mine")


def test_a_resolver_that_says_nothing_is_left_at_once_and_given_up(
    own_places: Path, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doi, "PATIENCE", 0.3)
    monkeypatch.setattr(
        pooch.downloaders,
        "doi_to_url",
        lambda _, **options: requests.get(server.address("silent"), **options).url,
    )
    job = download_job("doi:10.5281/zenodo.7/model.zip", name="mine")
    assert any("Asking where" in next(job).message for _ in range(5))
    job.close()
    with pytest.raises(DiffuscopeError, match="Nobody could be asked"):
        download_model("doi:10.5281/zenodo.7/model.zip", name="mine")
