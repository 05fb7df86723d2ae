"""What children report, and what a node makes of it; reports between real nodes."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest

from resolver.model.errors import RefusedError
from resolver.node.node import Node
from resolver.registry.applications import Application, applied
from resolver.server.clock import SystemClock
from resolver.server.control import NodeControl
from resolver.server.family import Child, Family, Report, report_from, routes_from
from resolver.server.progress import Progress
from resolver.server.reporter import Reporter
from resolver.server.roles import ROLES
from resolver.server.service import NodeService
from resolver.storage import Figures, day_of
from resolver.topology.expand import expand
from resolver.topology.load import load_network
from resolver.topology.plan import NodeSpec
from resolver.transport.tcp import serve_tcp
from resolver.upstream.control import CallError, ControlPeer
from resolver.upstream.exchange import Upstream
from resolver.wire.values import ValueList
from tests.support import command
from tests.support.memory_network import site, text_value
from tests.support.nodes import node_state

SECRET, NOW = b"s" * 32, 1_700_000_000
TODAY = day_of(NOW)


def totals(family: Family) -> dict[str, Figures]:
    return Progress(family, SystemClock()).by_prefix()


def family(name: str = "wuhan", expected: tuple[str, ...] = ("optics",)) -> Family:
    state = node_state(name, "secondary", site(name, 1), homes=["88.901"], delegates=["88.901"])
    return Family(state, expected, heartbeat_s=5.0)


def test_a_silent_child_is_down():
    wuhan = family()
    assert wuhan.children(100.0) == [Child("optics")]
    wuhan.heard("optics", Report("secondary", 7, ()), 100.0, NOW)
    wuhan.heard("stranger", Report("enterprise", 0, ()), 101.0, NOW)
    assert wuhan.children(102.0) == [
        Child("optics", "secondary", 7, 2.0, is_up=True),
        Child("stranger", "enterprise", 0, 1.0, is_up=True),
    ]
    optics = wuhan.children(115.0)[0]
    assert not optics.is_up
    assert optics.told() == {"state": "down", "heard_s_ago": 15.0}


def test_figures_add_up_over_the_tree():
    optics, wuhan = family("optics"), family()
    optics.state.store.tally(TODAY, {"88.901": Figures(5, 4, 1, 0), "88.901.1": Figures(9, 9)})
    optics.state.store.tally(TODAY - 2, {"88.901": Figures(100, 100)})
    optics.heard(
        "88.901.1", Report("enterprise", 1, (("88.901.1", TODAY, "88.901.1", 7, 6, 2, 1),)), 0, NOW
    )
    told: dict[str, bytes] = {}
    first = optics.report(told, NOW)
    assert sorted(first["rows"]) == [
        ("88.901.1", TODAY, "88.901.1", 7, 6, 2, 1),
        ("optics", TODAY, "88.901", 5, 4, 1, 0),
    ], "not what it only referred, nor what is older than yesterday"
    assert optics.report(told, NOW)["rows"] == []
    wuhan.heard("optics", report_from(first), 0, NOW)
    optics.state.store.tally(TODAY, {"88.901": Figures(1, 1)})
    wuhan.heard("optics", report_from(optics.report(told, NOW)), 0, NOW)
    expected = {"88.901": Figures(6, 5, 1, 0), "88.901.1": Figures(7, 6, 2, 1)}
    assert totals(wuhan) == expected
    wuhan.save()
    again = Family(wuhan.state, (), 5.0)
    assert totals(again) == expected, "it is in the store"


@pytest.mark.parametrize(
    "document",
    [
        None,
        {},
        {"role": 1, "records": 1, "rows": []},
        {"role": "root", "records": 1, "rows": [[1]]},
        {"role": "root", "records": 1, "rows": [["a\tb", 1, "88", 1, 1, 1, 1]]},
        {"role": "root", "records": 1, "rows": [["a" * 500, 1, "88", 1, 1, 1, 1]]},
    ],
)
def test_what_is_no_report(document: object):
    with pytest.raises(RefusedError):
        report_from(document)
    with pytest.raises(RefusedError):
        routes_from([document])


@pytest.fixture
async def running() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def started(running: AsyncExitStack, own: Family) -> NodeSpec:
    """A real node behind a real port; what its children have to know of it."""
    clock, upstream = SystemClock(), Upstream()
    control = NodeControl(own.state, own, SECRET, clock)
    chain = ROLES["secondary"].chain
    service = NodeService(Node(own.state, chain), upstream, clock, None, control, own)
    sock = socket.create_server(("127.0.0.1", 0))
    running.push_async_callback(upstream.close)
    running.push_async_callback(service.close)
    running.push_async_callback((await serve_tcp(service, sock)).close)
    spec = expand(load_network("minimal")).node("wuhan")
    return replace(spec, port=sock.getsockname()[1])


def reporter(own: Family, parent: NodeSpec, *, propagation_s: float = 0.0) -> Reporter:
    return Reporter(
        own, parent, SECRET, SystemClock(), heartbeat_s=0.02, propagation_s=propagation_s
    )


async def until(condition: Callable[[], bool]) -> None:
    await asyncio.to_thread(command.until, condition)


def is_up(own: Family) -> bool:
    return own.children(SystemClock().now())[0].is_up


async def test_heartbeats_prefixes_and_figures_reach_the_parent(running: AsyncExitStack):
    wuhan, optics = family(), family("optics")
    optics.state.store.put_many(
        [("0.NA/88.901.1", ValueList.of([text_value(3, "DESC", "a factory")]))]
    )
    optics.state.store.tally(day_of(SystemClock().unix()), {"88.901": Figures(3, 2)})
    running.push_async_callback(reporter(optics, await started(running, wuhan)).close)
    await until(lambda: is_up(wuhan))
    await until(lambda: bool(wuhan.known_below()))
    (row,) = wuhan.known_below()
    assert (row["prefix"], row["node"], row["title"]) == ("88.901.1", "optics", "a factory")
    assert totals(wuhan)["88.901"] == Figures(3, 2)


async def test_a_parent_that_takes_calls_and_answers_none_is_known_to_know_nothing(
    running: AsyncExitStack,
):
    optics = family("optics")
    deaf = running.enter_context(socket.create_server(("127.0.0.1", 0)))
    spec = expand(load_network("minimal")).node("wuhan")
    telling = reporter(optics, replace(spec, port=deaf.getsockname()[1]))
    running.push_async_callback(telling.close)
    optics.changed.set()
    # Since the start nothing was told; once the parent has had its time, since the change.
    before = 0.0

    def begins_anew() -> bool:
        nonlocal before
        lag = telling.sync_lag_s()
        assert lag is not None
        is_new, before = lag < before, lag
        return is_new

    await asyncio.to_thread(command.until, begins_anew, 5.0)


async def test_a_new_prefix_reaches_the_parent_at_once(running: AsyncExitStack):
    wuhan, optics = family(), family("optics")
    parent = await started(running, wuhan)
    address = await started(running, optics)
    running.push_async_callback(reporter(optics, parent).close)
    operator = await ControlPeer.open("127.0.0.1", address.port, name="op", secret=SECRET)
    running.push_async_callback(operator.close)
    applied(optics.state, Application("88.901.7", "", "HS_SECKEY", b"secret"), NOW)
    row = await operator.call("prefix.approve", "88.901.7")
    assert row["stage"] == "hosted"
    await until(lambda: [known["prefix"] for known in wuhan.known_below()] == ["88.901.7"])
    listed = await operator.call("prefix.list")
    assert [(each["prefix"], each["stage"]) for each in listed] == [("88.901.7", "hosted")]


async def test_or_after_the_configured_delay(running: AsyncExitStack):
    wuhan, optics = family(), family("optics")
    optics.state.store.put_many([("0.NA/88.901.1", ValueList.of([text_value(3, "DESC", "x")]))])
    parent = await started(running, wuhan)
    slow = reporter(optics, parent, propagation_s=3600.0)
    await until(lambda: bool(wuhan.known_below()))  # what is there at the start is told at once
    optics.state.store.put_many([("0.NA/88.901.2", ValueList.of([text_value(3, "DESC", "x")]))])
    optics.changed.set()
    heard = wuhan.children(0)[0].age_s
    await until(lambda: wuhan.children(0)[0].age_s != heard)
    await until(lambda: not optics.changed.is_set())
    assert [row["prefix"] for row in wuhan.known_below()] == ["88.901.1"]
    await slow.close()


async def test_a_parent_that_comes_back_is_told_again(
    running: AsyncExitStack, caplog: pytest.LogCaptureFixture
):
    optics, wuhan = family("optics"), family()
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    spec = replace(expand(load_network("minimal")).node("wuhan"), port=port)
    running.push_async_callback(reporter(optics, spec).close)
    await until(lambda: "no report to the parent" in caplog.text)
    clock, upstream = SystemClock(), Upstream()
    control = NodeControl(wuhan.state, wuhan, SECRET, clock)
    chain = ROLES["secondary"].chain
    service = NodeService(Node(wuhan.state, chain), upstream, clock, None, control, wuhan)
    again = socket.create_server(("127.0.0.1", port))
    running.push_async_callback(upstream.close)
    running.push_async_callback(service.close)
    running.push_async_callback((await serve_tcp(service, again)).close)
    await until(lambda: is_up(wuhan))
    assert caplog.text.count("no report to the parent") == 1


async def test_the_top_of_the_tree_is_idle(running: AsyncExitStack):
    class Counted(Family):
        looks = 0

        @property
        def has_news(self) -> bool:
            type(self).looks += 1
            return False

    top = Counted(family().state, (), 5.0)
    alone = Reporter(top, None, SECRET, SystemClock(), heartbeat_s=3600.0, propagation_s=0.0)
    running.push_async_callback(alone.close)
    for number in range(1, 4):
        await until(lambda number=number: Counted.looks >= number)
        assert Counted.looks == number
        top.changed.set()


@pytest.mark.parametrize(
    ("method", "params", "reason"),
    [
        ("nothing", [], "is no method; known: children, heartbeat"),
        ("heartbeat", [], "0 parameters, one is expected"),
        ("heartbeat", [5], "a report has a role"),
        ("routes", [5], "a list of at most"),
        ("prefix.apply", [{}], "an application has"),
        ("prefix.approve", [5], "one prefix is expected"),
        ("prefix.approve", ["88.901.7"], "nobody waits"),
        ("prefix.reject", ["88.901.7"], "a prefix and a reason"),
        ("prefix.reject", ["88.901.7", ""], "nobody waits"),
    ],
)
async def test_calls_that_are_refused(
    running: AsyncExitStack, method: str, params: list[Any], reason: str
):
    spec = await started(running, family("optics"))
    peer = await ControlPeer.open("127.0.0.1", spec.port, name="op", secret=SECRET)
    running.push_async_callback(peer.close)
    with pytest.raises(CallError, match=reason):
        await peer.call(method, *params)
    assert (await peer.call("children"))[0]["name"] == "optics"
