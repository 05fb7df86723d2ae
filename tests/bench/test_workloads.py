"""Workloads: the files that come along are sound, a seed stands for one sequence, questions have
the mix they claim, arrivals the rate."""

from collections import Counter
from itertools import islice, pairwise, takewhile
from pathlib import Path

import pytest

from bench.answers import MALFORMED, Population
from bench.workloads.arrivals import HOURS, due_times, factor_at
from bench.workloads.model import (
    Arrival,
    ClientModel,
    Workload,
    describe,
    load_workload,
    workload_names,
)
from bench.workloads.names import Asked, some
from resolver.model.errors import ConfigError

PREFIXES = ("88.901.1", "88.901.2", "88.902.1")
POPULATION = Population(40, dict.fromkeys(PREFIXES, 2801))


def asked(seed: str = "1", number: int = 0, exponent: float = 1.0) -> Asked:
    return Asked(POPULATION, PREFIXES, exponent, seed, number)


def client(**settings: object) -> ClientModel:
    return ClientModel.model_validate({"name": "client", **settings})


@pytest.mark.parametrize("name", workload_names())
def test_a_workload_that_comes_along_is_sound(name: str):
    workload = load_workload(name)
    assert workload.name == name
    assert workload.users >= 1
    assert Workload.model_validate(describe(workload)) == workload


def test_the_platforms_are_one_and_ten_and_a_hundred():
    counts: Counter[str] = Counter()
    for platform in load_workload("platforms").client:
        counts[platform.tier] += platform.count
    assert counts == {
        "cross-industry-platform": 1,
        "industry-platform": 10,
        "enterprise-platform": 100,
    }


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("title = 'x'", "client: this key is missing"),
        ("titel = 'x'\nclient = []", "titel: there is no such key; did you mean 'title'?"),
        (
            "title = 'x'\n[[client]]\nname = 'a'\ntransport = 'upd'",
            "client.0.transport: 'upd' is none of",
        ),
        (
            "title = 'x'\n[[client]]\nname = 'a'\n[client.mix]\nskewd = 1",
            "did you mean 'skewed'?",
        ),
        (
            "title = 'x'\n[[client]]\nname = 'a'\ntransport = 'http'\n[client.mix]\nkeys = 1",
            "keys go over udp or tcp, not http",
        ),
        ("title = 'x'\n[[client]]\nname = 'a'\nbatch = [5, 1]", "batch: 5 is more than 1"),
        (
            "title = 'x'\n[[client]]\nname = 'a'\ntransport = 'register'",
            "records are registered at an enterprise node",
        ),
        (
            "title = 'x'\n[[client]]\nname = 'a'\n[[client]]\nname = 'a'",
            "client: two are called 'a'",
        ),
        ("title = 'x'\nseconds = '5 parsecs'", "no duration like 30s"),
        ("title = ", "Invalid value"),
    ],
)
def test_a_workload_that_makes_no_sense(content: str, reason: str, tmp_path: Path):
    file = tmp_path / "mine.toml"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load_workload(str(file))
    assert str(file) in str(refused.value)
    assert reason in str(refused.value)


def test_a_workload_that_is_not_there(tmp_path: Path):
    with pytest.raises(ConfigError, match="did you mean 'enterprise'"):
        load_workload("entreprise")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_workload(str(tmp_path / "none.toml"))


@pytest.mark.parametrize("kind", ["skewed", "zipf", "uniform", "scan", "missing", "flood", "keys"])
def test_a_seed_stands_for_one_sequence(kind: str):
    mixed = client(mix={kind: 1})
    first = [question.handle for question in some(asked(), mixed, 200)]
    assert first == [question.handle for question in some(asked(), mixed, 200)]
    assert first != [question.handle for question in some(asked("2"), mixed, 200)]
    assert first != [question.handle for question in some(asked(number=1), mixed, 200)]


def test_an_item_of_an_enterprise_comes_again_only_after_all_others():
    handles = [question.handle for question in some(asked(), client(), 400)]
    for prefix in PREFIXES:
        of_it = [handle for handle in handles if handle.startswith(f"{prefix}/")]
        assert len(set(of_it[:40])) == min(40, len(of_it))
    counts = Counter(handle.partition("/")[0] for handle in handles)
    assert counts["88.901.1"] > counts["88.901.2"] > counts["88.902.1"]


def test_a_zipf_law_has_its_exponent():
    flat = Counter(q.handle for q in some(asked(exponent=0.5), client(mix={"zipf": 1}), 3_000))
    steep = Counter(q.handle for q in some(asked(exponent=1.5), client(mix={"zipf": 1}), 3_000))
    assert steep.most_common(1)[0][1] > 2 * flat.most_common(1)[0][1]


def test_a_mix_has_its_shares():
    mixed = client(mix={"uniform": 70, "missing": 20, "malformed": 10})
    questions = some(asked(), mixed, 5_000)
    malformed = sum(question in MALFORMED for question in questions)
    missing = [question for question in questions if "/0900" in question.handle]
    assert malformed == pytest.approx(500, rel=0.2)
    assert len(missing) == pytest.approx(1_000, rel=0.2)
    assert {question.code for question in missing} == {100}


def count_until(arrival: Arrival, rate: float, seconds: float) -> int:
    return sum(1 for _ in takewhile(lambda at: at < seconds, due_times(arrival, rate, "1")))


def test_constant_arrivals_have_equal_gaps_and_poisson_ones_do_not():
    even = list(islice(due_times(Arrival(poisson=False), 10, "1", phase=0.5), 5))
    assert even == pytest.approx([0.05, 0.15, 0.25, 0.35, 0.45])
    drawn = list(islice(due_times(Arrival(), 10, "1"), 2_000))
    gaps = [after - before for before, after in pairwise(drawn)]
    assert drawn == list(islice(due_times(Arrival(), 10, "1"), 2_000))
    mean = sum(gaps) / len(gaps)
    assert mean == pytest.approx(0.1, rel=0.08)
    # Of an exponential distribution the deviation is the mean.
    assert sum((gap - mean) ** 2 for gap in gaps) / len(gaps) == pytest.approx(mean**2, rel=0.2)


def test_steps_change_the_rate():
    arrival = Arrival(kind="step", steps=(1.0, 3.0), each="10s", poisson=False)
    times = list(takewhile(lambda at: at < 30, due_times(arrival, 10, "1", phase=1.0)))
    assert sum(at < 10 for at in times) == pytest.approx(100, abs=1)
    assert sum(10 <= at < 20 for at in times) == pytest.approx(300, abs=1)
    assert sum(at >= 20 for at in times) == pytest.approx(300, abs=1)


def test_a_ramp_rises_and_a_day_comes_round():
    ramp = Arrival(kind="ramp", start=1.0, end=3.0, over="10s", poisson=False)
    assert count_until(ramp, 100, 10) == pytest.approx(2_000, rel=0.01)
    assert factor_at(ramp, 0) < factor_at(ramp, 5) < factor_at(ramp, 9.9)
    day = Arrival(kind="diurnal", day="24s", poisson=False)
    assert [factor_at(day, hour + 0.5) for hour in range(24)] == list(HOURS)
    assert factor_at(day, 24 + 10.5) == HOURS[10]
    assert count_until(day, 100, 24) == pytest.approx(100 * sum(HOURS), rel=0.01)
    assert sum(HOURS) / 24 == pytest.approx(1, abs=0.05)
