"""``wuhan plan`` and its file: what comes out, what is refused, and how it ends."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.native import why_not
from bench.plan.answering import Caches, answers, mixed
from bench.plan.calibration import MIXTURE, PATHS, Calibration, Pace, load, now, save
from bench.plan.demand import Demand, of_workload
from bench.plan.fleet import Room, fleet, losses
from bench.plan.sensitivity import effects
from bench.plan.validate import CASES, most, native_part
from bench.workloads.model import load_workload
from resolver.cli.main import main
from resolver.model.errors import ConfigError

NODES = {"top-level": 20.0, "secondary": 30.0, "enterprise": 40.0}
COSTS = {
    "udp": 4.0, "udp-many": 5.0, "tcp": 2.0, "http": 15.0, "batch": 1.0, "not-found": 30.0,
    "malformed": 30.0, "cold-1": 120.0, "cold-2": 160.0, "cold-3": 200.0, "missing-1": 100.0,
    "shed": 4.0, "authoritative": 0.0, "mixed": 19.5,
}  # fmt: skip


def calibration() -> Calibration:
    times = {"p50_us": 80.0, "p90_us": 100.0, "p99_us": 200.0, "p999_us": 400.0}
    costs = {
        path: {
            "cpu_us": {"recursive": COSTS[path]} | (NODES if "-" in path else {}),
            "least_us": COSTS[path],
            "most_us": COSTS[path],
            "client_us": 3.0,
        }
        for path in PATHS
    }
    return Calibration.model_validate(
        {
            "made": now(),
            "machine": "a machine",
            "version": "1.0",
            "rounds": 1,
            "seconds": 1.0,
            "quick": False,
            "pace": {"hit_us": 5.0, "miss_us": 100.0, "tail_us": 4_000.0},
            "costs": costs,
            "latency": {
                "hit": {"cpu_us": 40.0, **times},
                "half": {"cpu_us": 9.0, **times},
                "miss": {"cpu_us": 200.0, **times, "p50_us": 400.0, "p90_us": 500.0},
                "half-miss": {"cpu_us": 160.0, **times, "p50_us": 600.0, "p90_us": 900.0},
            },
            "memory": {
                "leaf": 600.0,
                "leaf_counted": 650.0,
                "route_counted": 2_000.0,
                "negative_counted": 340.0,
                "stored": 500.0,
                "process": {"recursive": 5e7},
            },
        }
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "calibration.json"
    save(calibration(), path)
    return path


def planned(file: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    # LRU has a formula; the policies that are played take a second each.
    given = ["--calibration", str(file), "--policy", "lru", "--format", "json"]
    status = main(["plan", *given, *arguments])
    assert status == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["plan", *arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


def test_a_calibration_is_read_as_it_was_written(file: Path):
    assert load(file) == calibration()


def test_a_plan_says_all_it_should(file: Path, capsys: pytest.CaptureFixture[str]):
    plan = planned(file, capsys, "--rate", "1e5", "--identifiers", "1e8", "--secondaries", "4")
    recursive = plan["tiers"]["recursive"]
    # 100,000 a second by some 120 µs, at half of what a core can do.
    assert 20 <= recursive["cores_needed"] <= 30
    assert recursive["cores"] == recursive["nodes"] * 16
    assert recursive["spare"] == 1
    assert sum(plan["answers"].values()) == pytest.approx(1.0)
    assert plan["hits"]["route"] > 0.9
    assert plan["latency_ms"]["p50"] < plan["latency_ms"]["p99"]
    swings = [
        max(abs(row["cores_if_20_percent_lower"]), abs(row["cores_if_20_percent_higher"]))
        for row in plan["assumptions"]
    ]
    assert swings == sorted(swings, reverse=True)
    assert {"utilisation", "questions a second"} <= {row["what"] for row in plan["assumptions"]}


def test_a_plan_for_people(file: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["plan", "--calibration", str(file), "--rate", "1e5", "--policy", "lru"]) == 0
    told = capsys.readouterr().out
    for word in ("recursive", "hits", "p99", "losing one of", "what matters most", "a machine"):
        assert word in told


def test_a_goal_for_p99_takes_more_nodes(file: Path, capsys: pytest.CaptureFixture[str]):
    given = ("--rate", "1e5", "--identifiers", "1e8", "--cores", "2", "--load", "0.9")
    loose = planned(file, capsys, *given)
    goal = loose["latency_ms"]["p99"] * 0.7
    strict = planned(file, capsys, *given, "--p99", f"{goal:.3f}ms")
    assert strict["latency_ms"]["p99"] <= goal
    assert strict["tiers"]["recursive"]["nodes"] > loose["tiers"]["recursive"]["nodes"]


def test_a_mixture_and_transports_by_hand(file: Path, capsys: pytest.CaptureFixture[str]):
    plan = planned(
        file, capsys, "--rate", "1000", "--identifiers", "1000", "--enterprises", "10",
        "--secondaries", "2", "--mix", "zipf=3,malformed=1", "--transport", "tcp=1,http=1",
    )  # fmt: skip
    assert plan["demand"]["kinds"] == {"zipf": 0.75, "malformed": 0.25}
    assert plan["demand"]["paths"] == {"tcp": 0.5, "http": 0.5}
    assert plan["answers"]["tcp"] == pytest.approx(plan["answers"]["http"])
    assert plan["answers"]["malformed"] == 0.25
    assert plan["hits"]["leaf"] > 0.99


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rate", "many"], "'many' is not a number above 0"),
        (["--rate", "-1"], "is not a number above 0"),
        (["--ttl", "soon"], "is no duration like 30s"),
        (["--cache", "big"], "is no size like 64MiB"),
        (["--load", "2"], "2.0 is not in the range"),
        (["--enterprises", "1e9", "--identifiers", "1e6"], "cannot have 1,000,000 identifiers"),
        (["--secondaries", "100", "--enterprises", "10"], "give fewer (--secondaries)"),
        (["--mix", "zipff=1"], "there is no 'zipff'; did you mean 'zipf'?"),
        (["--mix", "zipf=x"], "'zipf=x' is no share; write zipf=0.5"),
        (["--mix", "zipf=0"], "the shares are all 0"),
        (["--transport", "upd=1"], "there is no 'upd'; did you mean 'udp'?"),
        (["--workload", "zipff"], "there is no workload 'zipff'; did you mean 'zipf'?"),
        (["--workload", "registration-only.toml"], "cannot be read"),
        (["--p99", "0.1ms", "--mix", "once=1"], "no number of nodes keeps p99 at 0.1 ms"),
    ],
)
def test_bad_input_gets_one_sentence(
    file: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
):
    assert said in refused(capsys, "--calibration", str(file), *arguments)


def test_without_a_calibration_it_says_how_to_make_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    said = refused(capsys, "--data", str(tmp_path))
    assert f"there is no calibration at {tmp_path}/calibration.json" in said
    assert "wuhan bench calibrate" in said


def damaged(document: dict[str, Any], what: str) -> str:
    match what:
        case "cut":
            return json.dumps(document)[:-40]
        case "form":
            return json.dumps(document | {"format": 7})
        case "other":
            return json.dumps({"hello": 1})
        case "list":
            return "[]"
        case "cost":
            document["costs"]["udp"]["cpu_us"]["recursive"] = -1
        case "path":
            del document["costs"]["cold-2"]
        case "latency":
            del document["latency"]["half"]
        case "key":
            document["extra"] = 1
    return json.dumps(document)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("cut", "is damaged: it is not JSON"),
        ("form", "is a calibration of form 7, and this version reads form 2"),
        ("other", "is no calibration"),
        ("list", "is no calibration"),
        ("cost", "is damaged: costs.udp.cpu_us.recursive"),
        ("path", "is damaged: cold-2 is missing"),
        ("latency", "is damaged: latency half is missing"),
        ("key", "is damaged: extra"),
    ],
)
def test_a_damaged_calibration_is_refused(
    file: Path, capsys: pytest.CaptureFixture[str], what: str, said: str
):
    file.write_text(damaged(json.loads(file.read_text()), what))
    err = refused(capsys, "--calibration", str(file))
    assert said in err
    assert "wuhan bench calibrate" in err


def test_a_folder_is_no_calibration(tmp_path: Path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)


def test_a_workload_without_questions_to_recursive_nodes_is_refused():
    sizes = Demand(1.0, 10.0, 2.0, 1.0)
    workload = load_workload("enterprise")
    only = workload.model_copy(
        update={"client": tuple(c for c in workload.client if c.transport == "register")}
    )
    with pytest.raises(ConfigError, match="asks recursive nodes for nothing"):
        of_workload(only, sizes)


def test_a_workload_becomes_its_mixture():
    demand = of_workload(load_workload("errors"), Demand(1e3, 1e4, 100.0, 12.0))
    assert sum(demand.kinds.values()) == pytest.approx(1.0)
    # 500 questions a second over UDP with 20 of 100 missing, 200 over TCP with 25.
    assert demand.kinds["missing"] == pytest.approx((500 * 0.2 + 200 * 0.25) / 700)
    assert demand.paths == pytest.approx({"udp-many": 5 / 7, "tcp": 2 / 7})


def test_the_costs_of_a_worker_add_up():
    demand = Demand(1_000.0, 1e9, 100.0, 12.0, kinds={"once": 1.0})
    found = answers(demand, 1_000.0, Caches(leaves=100, routes=1e4, negatives=100), calibration())
    assert found.hits["leaf"] == pytest.approx(0.0, abs=1e-3)
    assert found.cpu_us["recursive"] == pytest.approx(120.0, rel=0.01)
    assert found.cpu_us["enterprise"] == pytest.approx(40.0, rel=0.01)


def test_items_that_come_round_within_a_life_are_hits():
    demand = Demand(10_000.0, 1_000.0, 10.0, 2.0, kinds={"once": 1.0})
    found = answers(demand, 10_000.0, Caches(5_000, 1e4, 100), calibration())
    assert found.hits["leaf"] > 0.99
    small = answers(demand, 10_000.0, Caches(500, 1e4, 100), calibration())
    assert small.hits["leaf"] == pytest.approx(0.0, abs=1e-9)


def test_costs_follow_the_machines_pace():
    slower = calibration().at_pace(Pace(hit_us=6.0, miss_us=150.0, tail_us=8_000.0))
    assert slower.us("cold-1") == pytest.approx(1.5 * 120.0)
    assert slower.us("cold-1", "enterprise") == pytest.approx(1.5 * 40.0)
    assert slower.costs["udp"].client_us == pytest.approx(1.2 * 3.0)
    hit, miss = slower.latency["hit"], slower.latency["half-miss"]
    assert (hit.cpu_us, hit.p50_us, hit.p99_us) == pytest.approx((48.0, 96.0, 240.0))
    assert (miss.cpu_us, miss.p50_us, miss.p99_us) == pytest.approx((240.0, 900.0, 400.0))
    assert slower.at_pace(calibration().pace).us("tcp") == calibration().us("tcp")


def test_a_tail_that_was_not_measured_goes_with_the_pace():
    found = calibration().at_pace(Pace(hit_us=5.0, miss_us=200.0))
    assert found.latency["half-miss"].p99_us == pytest.approx(2 * 200.0)
    assert found.latency["half"].p99_us == pytest.approx(200.0)


def test_a_mixture_is_dearer_than_its_parts():
    costs = calibration()
    costs.costs["mixed"].cpu_us["recursive"] = together = 0.7 * 5 + 0.1 * (100 + 30 + 30)
    for parts in (MIXTURE, {"cold-1": 0.5, "udp": 0.5}):
        assert mixed(parts, costs) == pytest.approx(1.0)
    costs.costs["mixed"].cpu_us["recursive"] = 1.2 * together
    assert mixed(MIXTURE, costs) == pytest.approx(1.2)
    assert mixed({"udp": 0.3, "udp-many": 0.7}, costs) == pytest.approx(1.0)
    assert mixed({"cold-1": 0.3, "cold-3": 0.7}, costs) == pytest.approx(1.0)
    rarely = mixed({"udp": 0.999, "cold-1": 0.001}, costs)
    assert 1.0 < rarely < mixed({"udp": 0.96, "cold-1": 0.04}, costs) < 1.2
    for path in MIXTURE:
        costs.costs[path].cpu_us["recursive"] = 0.0
    assert mixed(MIXTURE, costs) == 1.0


def test_a_prediction_of_two_cores_is_what_the_busier_can_do():
    demand = Demand(1e3, 1e9, 100.0, 12.0, kinds={"once": 1.0})
    found = most(demand, Caches(100, 1e4, 100), calibration())
    assert found.rate == pytest.approx(1e6 / 120, rel=0.01)
    dear = calibration()
    dear.costs["cold-1"].cpu_us["enterprise"] = 300.0
    found = most(demand, Caches(100, 1e4, 100), dear)
    assert found.rate == pytest.approx(1e6 / 303, rel=0.01)


def test_the_cases_of_the_validation_are_workloads():
    for case in CASES:
        (client,) = native_part(load_workload(case.workload)).client
        assert client.transport == "udp"


def test_more_rate_more_cores_and_more_cache_fewer():
    room, costs = Room(cores=4), calibration()

    def cores(rate: float = 1e5, leaves: float = 1e8) -> float:
        demand = Demand(rate, 1e6, 1e3, 10.0, kinds={"zipf": 1.0})
        plan = fleet(demand, Room(cores=4, leaves=leaves), costs, with_latency=False)
        return plan.cores["recursive"]

    assert cores(1e5) < cores(2e5) < cores(4e5)
    assert cores(leaves=1e9) < cores(leaves=1e8) < cores(leaves=1e7)
    assert room.spare == 1


def test_losing_a_node_loads_the_others():
    demand, room, costs = Demand(1e5, 1e8, 200.0, 4.0), Room(cores=4, policy="lru"), calibration()
    plan = fleet(demand, room, costs)
    lost = losses(demand, room, plan, costs)["recursive"]
    nodes = plan.nodes + 1
    assert lost["load_after"] == pytest.approx(lost["load_before"] * nodes / (nodes - 1), rel=0.02)
    assert lost["asked_of_others_while_cold"] >= 0
    alone = losses(demand, Room(cores=64, spare=0), fleet(demand, Room(cores=64), costs), costs)
    assert alone["recursive"]["load_after"] is None


def test_what_costs_most_matters_most():
    demand = Demand(1e5, 1e9, 1e3, 10.0, kinds={"once": 0.9, "malformed": 0.1})
    room = Room(policy="lru")
    ranked = [effect.what for effect in effects(demand, room, calibration())]
    assert ranked.index("CPU of an answer asked of others") < ranked.index(
        "CPU of a refusal or 'not found' made anew"
    )
    assert ranked[-1] not in ("utilisation", "questions a second")


@pytest.mark.slow
@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_a_quick_calibration_and_a_plan_from_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    data = ["--data", str(tmp_path / "data")]
    assert main(["bench", "calibrate", "--quick", "--json", *data]) == 0
    found = Calibration.model_validate_json(capsys.readouterr().out)
    assert found.quick
    assert found == load(tmp_path / "data" / "calibration.json")
    for path, role in (("udp", "recursive"), ("tcp", "recursive"), ("cold-3", "secondary"),
                       ("authoritative", "enterprise")):  # fmt: skip
        assert 0 < found.us(path, role) < 10_000
    assert found.us("cold-1") > found.us("udp")
    assert main(["plan", "--rate", "1e4", "--identifiers", "1e6", "--secondaries", "1", *data]) == 0
    assert "the calibration was a quick one" in capsys.readouterr().out
