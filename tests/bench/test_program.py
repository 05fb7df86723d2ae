"""Benchmarks as commands: bad options and what goes wrong get one sentence, a missed goal is 4."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import cold, flood, peers
from bench.paths import __main__ as paths
from bench.program import measure
from resolver.model.errors import ConfigError, NetworkStateError


@pytest.mark.parametrize(("met", "status"), [(True, 0), (False, 4)])
def test_a_missed_goal_is_exit_status_4(met: bool, status: int, capsys: pytest.CaptureFixture[str]):
    folders: list[Path] = []

    def work(folder: Path) -> dict[str, bool]:
        assert folder.is_dir()
        folders.append(folder)
        return {"met": met}

    def show(report: object) -> None:
        print(f"shown {report}")

    parser = argparse.ArgumentParser()
    assert measure(parser, work, show, as_json=True) == status
    assert json.loads(capsys.readouterr().out) == {"met": met}
    assert measure(parser, work, show, as_json=False) == status
    assert capsys.readouterr().out == f"shown {{'met': {met}}}\n"
    assert not any(folder.exists() for folder in folders)


def test_what_makes_it_impossible_is_told_in_a_sentence(capsys: pytest.CaptureFixture[str]):
    def work(folder: Path) -> dict[str, bool]:
        raise ConfigError("nothing works")

    with pytest.raises(SystemExit) as ended:
        measure(argparse.ArgumentParser(prog="bench"), work, print, as_json=False)
    assert ended.value.code == 2
    assert capsys.readouterr().err.endswith("bench: error: nothing works\n")


def test_the_logs_of_a_network_that_does_not_start_stay(capsys: pytest.CaptureFixture[str]):
    folders: list[Path] = []

    def work(folder: Path) -> dict[str, bool]:
        folders.append(folder)
        raise NetworkStateError(f"see {folder}/log")

    with pytest.raises(SystemExit):
        measure(argparse.ArgumentParser(), work, print, as_json=False)
    assert f"see {folders[0]}/log" in capsys.readouterr().err
    folders[0].rmdir()


@pytest.mark.parametrize(
    ("main", "options", "reason"),
    [
        (peers.main, ["--names", "0"], "'0' is not a whole number from 1 on"),
        (cold.main, ["--rate", "-1"], "'-1' is not a number above 0"),
        (cold.main, ["--seconds", "inf"], "'inf' is not a number above 0"),
        (paths.main, ["--rounds", "2.5"], "'2.5' is not a whole number from 1 on"),
        (flood.main, ["--leaves", "5XB"], "'5XB' is no size like 64MiB"),
    ],
)
def test_options_that_make_no_sense(
    main: Callable[[list[str]], int],
    options: list[str],
    reason: str,
    capsys: pytest.CaptureFixture[str],
):
    with pytest.raises(SystemExit) as ended:
        main(options)
    assert ended.value.code == 2
    assert reason in capsys.readouterr().err
