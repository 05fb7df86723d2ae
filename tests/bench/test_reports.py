"""Reports are made of the document alone, are well-formed, and tell what was missed; a baseline
tells a change from noise."""

import csv
import io
import json
from pathlib import Path
from random import Random
from xml.etree import ElementTree as Tree

import pytest

from bench.report import write_reports
from bench.report.plot import over_time, percentiles
from bench.run.baseline import compare, cpu_change, load_baseline, ratio_of_sums
from bench.run.results import Results, document
from bench.run.slices import Slice, Tally
from bench.run.thresholds import parse_thresholds
from bench.workloads.model import Workload
from resolver.model.errors import ConfigError

WORKLOAD = Workload.model_validate(
    {"name": "two", "title": "A <b>title</b>", "client": [{"name": "scanner"}]}
)
ROLES = {"recursive": "recursive", "enterprises-1": "enterprise"}


def run_document(cpu_us: float, *, hits: float = 0.9, seed: int = 1, seconds: int = 20) -> dict:
    draw = Random(seed)
    slices = []
    for second in range(seconds):
        tally = Tally()
        answers = draw.randrange(800, 1_200)
        for _ in range(answers):
            tally.us[draw.randrange(200, 300)] += 1
        tally.codes[1] = answers
        if second == 5:
            tally.failures["no <answer>"] = 3
        found = round(answers * min(1.0, hits * draw.uniform(0.98, 1.02)))
        spent = answers * cpu_us / 1e6 * draw.uniform(0.95, 1.05)
        slices.append(
            Slice(
                float(second),
                1.0,
                {"scanner": tally},
                offered=1_000,
                cpu={"recursive": spent * 0.8, "enterprises-1": spent * 0.2, "load": 0.1},
                lookups={"leaf": (found, answers - found)},
            )
        )
    results = Results(WORKLOAD, slices, ROLES)
    thresholds = parse_thresholds(["p99<1ms", "errors<0.001%"], ["scanner"])
    verdicts = [threshold.verdict(results.value(threshold)) for threshold in thresholds]
    return document(
        results, network="test", started=1.7e9, users=1, verdicts=verdicts, baseline=None
    )


def test_the_files_of_a_report(tmp_path: Path):
    report = run_document(20)
    report["baseline"] = compare(report, run_document(20, seed=2))
    write_reports(tmp_path, report)
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8")) == report
    rows = list(csv.DictReader(io.StringIO((tmp_path / "report.csv").read_text("utf-8"))))
    assert sum(int(row["answers"]) for row in rows) == report["totals"]["answers"]
    assert float(rows[0]["hits_leaf"]) == pytest.approx(90, abs=3)
    suite = Tree.parse(tmp_path / "junit.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    (failure,) = suite.iter("failure")
    assert "errors<0.001%" in failure.get("message", "")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "A &lt;b&gt;title&lt;/b&gt;" in page
    assert "no &lt;answer&gt;" in page
    assert "<b>title" not in page
    for picture in page.split("<svg")[1:]:
        Tree.fromstring("<svg" + picture[: picture.index("</svg>") + 6])
    assert page.count("<svg") == 6
    assert "http://" not in page
    assert "https://" not in page


def test_plots_of_nothing_and_of_gaps():
    assert "no figures" in over_time({"a": [(0.0, None)]}, "ms")
    assert "no answers" in percentiles({"all": {}})
    drawn = over_time({"a": [(0.0, 1.0), (1.0, None), (2.0, 3.0), (3.0, 2.0)]}, "ms")
    assert drawn.count("M") == 2


def test_an_interval_holds_noise_and_not_a_change():
    before = run_document(20, seed=1)
    same = {row["what"]: row for row in compare(run_document(20, seed=3), before)["rows"]}
    assert same["cpu all"]["verdict"] == "the same"
    assert same["cpu all"]["least"] < 0 < same["cpu all"]["most"]
    changed = compare(run_document(24, hits=0.8, seed=3), before)
    rows = {row["what"]: row for row in changed["rows"]}
    assert rows["cpu recursive"]["verdict"] == "more"
    assert rows["cpu recursive"]["least"] < 20 < rows["cpu recursive"]["most"]
    assert rows["hits leaf"]["verdict"] == "less"
    assert rows["hits leaf"]["change"] == pytest.approx(-10, abs=1)
    assert "hits route" not in rows
    assert cpu_change(changed) == pytest.approx(20, abs=4)
    assert cpu_change(None) is None


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    draw = Random(7)
    inside = 0
    for _ in range(300):
        pairs = [(n * 2.0 * draw.uniform(0.8, 1.2), n) for n in (100.0, 150.0, 80.0) * 8]
        ratio, error = ratio_of_sums(pairs)
        inside += abs(ratio - 2.0) <= 1.96 * error
    assert inside / 300 == pytest.approx(0.95, abs=0.04)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "cannot be read"), ("{", "no report"), ("[]", "no report"),
     ('{"format": 99, "slices": []}', "format 99")],
)  # fmt: skip
def test_what_is_no_baseline(content: str | None, reason: str, tmp_path: Path):
    file = tmp_path / "report.json"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=reason):
        load_baseline(file)


def test_what_is_told_late_belongs_to_the_slice_before():
    first, late = Tally(), Tally()
    first.us[300] = 5
    late.us[400] = 2
    late.failures["other values"] = 1
    part = Slice(0.0, 1.0, {"scanner": first}, cpu={"recursive": 0.1}, lookups={"leaf": (1, 2)})
    part.absorb(
        Slice(
            1.0, 0.1, {"scanner": late, "browser": late}, cpu={"recursive": 0.2},
            lookups={"leaf": (3, 4), "route": (1, 0)},
        )
    )  # fmt: skip
    assert part.seconds == pytest.approx(1.1)
    assert part.clients["scanner"].us == {300: 5, 400: 2}
    assert part.total().failed == 2
    assert part.cpu["recursive"] == pytest.approx(0.3)
    assert part.lookups == {"leaf": (4, 6), "route": (1, 0)}
