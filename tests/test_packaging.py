"""The wheel as a user gets it: built, installed apart from the checkout, run in an empty folder."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from resolver.__about__ import __version__

pytestmark = pytest.mark.slow

HOUSE = Path(__file__).parent.parent
PRESETS = sorted(file.stem for file in (HOUSE / "config").glob("*.toml"))


def run(*command: str | Path, cwd: Path) -> str:
    """What ``command`` printed; it sees neither the checkout nor this test's environment."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"PYTHONPATH", "VIRTUAL_ENV"} and not name.startswith("WUHAN_")
    }
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel. The build runs here, without the network: hatchling is a test dependency."""
    folder = tmp_path_factory.mktemp("wheel")
    run(
        sys.executable, "-m", "pip", "wheel", "-qq", "--no-deps", "--no-build-isolation",
        "--wheel-dir", folder, HOUSE,
        cwd=folder,
    )  # fmt: skip
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def wuhan(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command, installed into an environment of its own that borrows the dependencies."""
    home = tmp_path_factory.mktemp("installed")
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    run(
        sys.executable, "-m", "pip", "--python", python, "install", "-qq", "--no-deps",
        "--no-index", wheel,
        cwd=home,
    )  # fmt: skip
    site_packages = run(
        python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])", cwd=home
    ).strip()
    borrowed = {sysconfig.get_paths()["purelib"], sysconfig.get_paths()["platlib"]}
    Path(site_packages, "borrowed.pth").write_text("\n".join(borrowed), encoding="utf-8")
    return home / "bin" / "wuhan"


def test_the_wheel_holds_the_packages_and_the_presets_and_nothing_else(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {
        "resolver",
        "secondary_nodes",
        "bench",
        f"wuhan-{__version__}.dist-info",
    }
    assert PRESETS
    assert {f"resolver/presets/{preset}.toml" for preset in PRESETS} <= set(names)
    assert "resolver/transport/openapi.json" in names
    assert {f"resolver/presets/prometheus/{name}.yml" for name in ("prometheus", "rules")} <= set(
        names
    )
    assert {"bench/locustfile.py", "bench/workloads/enterprise.toml"} <= set(names)
    assert [name for name in names if "/tests/" in name or name.endswith(".pyc")] == []


def test_the_command_tells_its_version(wuhan: Path, tmp_path: Path):
    assert __version__ in run(wuhan, "--version", cwd=tmp_path)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_found_and_valid_in_an_empty_folder(wuhan: Path, preset: str, tmp_path: Path):
    run(wuhan, "config", "validate", preset, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []
