"""Writes the dashboards of config/grafana/dashboards; what stands on them is in ``grafana_boards``.

``make dashboards`` runs it, and with ``--check`` it says which files are not what it would make.
tests/live/test_monitoring.py asks a real Prometheus for every panel.
"""

import sys
from itertools import count
from pathlib import Path
from typing import Final

from grafana_boards import BOARDS
from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    BigValueGraphMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    TooltipDisplayMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    VariableRefresh,
    VariableSort,
)
from grafana_panels import Board, P, Query, Variable

FOLDER: Final = Path(__file__).parents[1] / "config" / "grafana" / "dashboards"
SOURCE: Final = DataSourceRef("prometheus", "wuhan-prometheus")


def made(board: Board) -> str:
    """The file of a dashboard."""
    builder = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.text)
        .tags(["wuhan"])
        .timezone("browser")
        .time("now-30m", "now")
        .refresh("10s")
        .readonly()
    )
    for variable in board.variables:
        builder = builder.with_variable(_variable(variable))
    numbers = count(1)
    for title, panels in board.rows:
        builder = builder.with_row(dashboard.Row(title).id(next(numbers)))
        for panel in panels:
            builder = builder.with_panel(_panel(panel).id(next(numbers)))
    return JSONEncoder(sort_keys=True, indent=2).encode(builder.build()) + "\n"


def _variable(variable: Variable) -> dashboard.QueryVariable:
    builder = (
        dashboard.QueryVariable(variable.name)
        .label(variable.label)
        .query(variable.query)
        .datasource(SOURCE)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )
    return builder.multi(True).include_all(True).all_value(".*") if variable.several else builder


def _panel(panel: P) -> timeseries.Panel | stat.Panel:
    if panel.now:
        small = stat.Panel().title(panel.title).unit(panel.unit).description(panel.text)
        small = small.datasource(SOURCE).span(panel.span).height(4)
        small = small.graph_mode(BigValueGraphMode.AREA)
        for number, query in enumerate(panel.queries):
            small = small.with_target(_target(query, number))
        return small
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST)
    tooltip = common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
    graph = timeseries.Panel().title(panel.title).unit(panel.unit).description(panel.text)
    graph = graph.datasource(SOURCE).span(panel.span).height(8).min(0)
    graph = graph.legend(legend.placement(LegendPlacement.BOTTOM).show_legend(True))
    graph = graph.tooltip(tooltip)
    for number, query in enumerate(panel.queries):
        graph = graph.with_target(_target(query, number))
    return graph


def _target(query: Query, number: int) -> prometheus.Dataquery:
    expression, legend = query
    target = prometheus.Dataquery().expr(expression).legend_format(legend)
    return target.ref_id(chr(ord("A") + number)).datasource(SOURCE)


def main(arguments: list[str]) -> int:
    """Write all dashboards; or only say which are out of date."""
    files = {FOLDER / f"{board.uid}.json": made(board) for board in BOARDS}
    if arguments == ["--check"]:
        found = {file: file.read_text(encoding="utf-8") for file in FOLDER.glob("*.json")}
        wrong = [file.name for file in files.keys() | found.keys()
                 if files.get(file) != found.get(file)]  # fmt: skip
        if wrong:
            print(f"run make dashboards: {', '.join(sorted(wrong))}", file=sys.stderr)
        return int(bool(wrong))
    FOLDER.mkdir(parents=True, exist_ok=True)
    for file, text in files.items():
        file.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
