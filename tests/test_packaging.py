"""What is in the wheel, and that the plugin is found where it is installed."""

from __future__ import annotations

import email
import json
import os
import re
import stat
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "napari_diffuscope"

# Run by the interpreter that the package is installed for, far from the sources.
FIND_PLUGIN = """
import importlib, json, sys
import napari_diffuscope
from npe2 import PluginManager
from napari_diffuscope.simulate.sample_files import SAMPLE_NAMES, sample_path
from napari_diffuscope.weights.catalogue import STARTERS

manager = PluginManager()
manager.discover()
manifest = manager.get_manifest("napari-diffuscope")
for command in manifest.contributions.commands:
    module, name = command.python_name.split(":")
    getattr(importlib.import_module(module), name)
print(json.dumps({
    "package": napari_diffuscope.__file__,
    "version": napari_diffuscope.__version__,
    "widgets": [widget.display_name for widget in manifest.contributions.widgets],
    "samples": [str(sample_path(name)) for name in SAMPLE_NAMES],
    "starters": sorted(path.parent.name for path in STARTERS.glob("*/model.json")),
}))
"""


def run_python(python: str | Path, *arguments: str, folder: Path) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "COV_"))}
    done = subprocess.run(
        [str(python), *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the source archive and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("dist")
    run_python(
        sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT), folder=folder
    )
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (path,) = built.glob("*.whl")
    return path


def package_files(*patterns: str) -> set[str]:
    """Files of the package in the sources, as they are called in a wheel."""
    found = {path for pattern in patterns for path in SOURCE.rglob(pattern) if path.is_file()}
    return {f"napari_diffuscope/{path.relative_to(SOURCE).as_posix()}" for path in found}


def test_the_wheel_has_code_manifest_samples_and_weights(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert package_files("*.py") <= names
    assert "napari_diffuscope/napari.yaml" in names
    samples = package_files("sample_data/*")
    assert samples
    assert samples <= names
    assert package_files("weights/starters/*/*") <= names


def test_the_wheel_has_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names, links = (
            archive.namelist(),
            [i for i in archive.infolist() if stat.S_ISLNK(i.external_attr >> 16)],
        )
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"napari_diffuscope"}
    assert links == []
    assert [name for name in names if "test" in name.lower() or "__pycache__" in name] == []


def test_the_wheel_carries_its_licence_and_its_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (entries,) = (name for name in names if name.endswith(".dist-info/entry_points.txt"))
        text = archive.read(entries).decode()
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert "diffuscope = napari_diffuscope.cli:program" in text
    assert "napari-diffuscope = napari_diffuscope:napari.yaml" in text


def test_the_description_leads_to_the_repository(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
    assert metadata["Description-Content-Type"].startswith("text/markdown")
    assert {"Source", "Documentation", "Changelog", "Bug Tracker"} <= {
        words.partition(",")[0] for words in metadata.get_all("Project-URL")
    }
    text = metadata.get_payload(decode=True).decode()
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert len(links) > 20
    assert [link for link in links if not link.startswith("https://")] == []
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
    assert [Path(link).name for link in pictures if "raw.githubusercontent.com" in link] == [
        "restore-window.png"
    ]


def test_the_source_archive_can_be_built_from(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.split("/", 1)[-1] for name in archive.getnames()}
    wanted = {"Makefile", "constraints.txt", "LICENSE", "CITATION.cff", "CHANGELOG.md"}
    assert wanted <= names
    assert {"tests/test_packaging.py", "src/napari_diffuscope/napari.yaml"} <= names


def test_an_installed_wheel_is_found_by_napari(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=False)
    python = environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    install = [
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        str(wheel),
    ]
    run_python(sys.executable, *install, folder=tmp_path)
    # The dependencies are those of this environment. A folder named in a .pth file is only added to the path:
    # the .pth file that leads to the sources of an editable install lies inside it and is not read.
    libraries = [path for path in sys.path if path.endswith("site-packages")]
    site = Path(
        run_python(python, "-c", "import site; print(site.getsitepackages()[-1])", folder=tmp_path).strip()
    )
    (site / "dependencies.pth").write_text("\n".join(libraries), encoding="utf-8")

    found = json.loads(run_python(python, "-c", FIND_PLUGIN, folder=tmp_path))
    assert Path(found["package"]).is_relative_to(environment)
    assert "Restore" in found["widgets"]
    assert all(Path(path).is_relative_to(environment) for path in found["samples"])
    assert found["starters"] == sorted(
        path.parent.name for path in SOURCE.glob("weights/starters/*/model.json")
    )


def test_an_editable_install_is_found_by_napari(tmp_path: Path) -> None:
    found = json.loads(run_python(sys.executable, "-c", FIND_PLUGIN, folder=tmp_path))
    if not Path(found["package"]).is_relative_to(SOURCE):
        pytest.skip("the package is not installed editable here")
    assert "Restore" in found["widgets"]
    assert all(Path(path).is_relative_to(SOURCE) for path in found["samples"])
    assert (
        found["version"]
        == re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[1]
    )


def test_the_manifest_is_valid() -> None:
    output = run_python(sys.executable, "-m", "npe2", "validate", str(SOURCE / "napari.yaml"), folder=ROOT)
    assert "Manifest is valid" in output or "valid" in output.lower()


def test_links_at_the_top_lead_into_the_package() -> None:
    if not (ROOT / "napari.yaml").is_symlink():
        pytest.skip("this checkout has no symbolic links")
    assert (ROOT / "napari.yaml").resolve() == (SOURCE / "napari.yaml").resolve()
    assert (ROOT / "sample_data").resolve() == (SOURCE / "sample_data").resolve()


def test_torch_is_pinned_without_a_build_suffix() -> None:
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert "torch==2.13.0" in pins
    assert not [pin for pin in pins if re.match(r"(?i)nvidia|triton", pin)]


def test_every_dependency_is_pinned() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(r for e in ("napari", "test", "dev", "docs") for r in project["optional-dependencies"][e]),
    ]
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower().replace("_", "-")
    missing = [
        r for r in wanted if f"\n{re.split(r'[^A-Za-z0-9_.-]', r)[0].lower().replace('_', '-')}==" not in pins
    ]
    assert missing == []


def test_no_upper_bounds_and_no_qt_in_the_base() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert [
        r for r in project["dependencies"] if "<" in r or "==" in r or re.match("(?i)pyqt|pyside|napari", r)
    ] == []
