"""The console of the whole network of 115 nodes, in a real browser and over plain HTTP."""

import json
import os
import re
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import MISSING, Browser, browser
from tests.support.command import network, stopped, wuhan

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

IS_RED = """
const node = document.querySelector(`[data-name="${arguments[0]}"]`);
return node.matches(".stopped, .silent, .down") && node.textContent.includes("✕");
"""
IS_GREEN = 'return document.querySelector(`[data-name="${arguments[0]}"]`).matches(".up")'
SOON_S = 2.0
ENTERPRISE = "88.902.3"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with network(tmp_path_factory.mktemp("console") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def url(data: Path) -> str:
    shown = wuhan("console", data=data)
    assert shown.returncode == 0
    return shown.stdout.strip()


@pytest.fixture(scope="module")
def page(url: str) -> Iterator[Browser]:
    if MISSING:
        pytest.skip(MISSING)
    with browser() as window:
        window.open(url)
        window.until("return document.querySelectorAll('#tree [data-name].up').length === 115")
        yield window
        assert window.troubles() == []


def state_of(data: Path, name: str) -> dict[str, Any]:
    nodes = json.loads((data / "state.json").read_text(encoding="utf-8"))["nodes"]
    return next(dict(node) for node in nodes if node["name"] == name)


def test_all_nodes_are_there(page: Browser):
    assert page.count("#tree [data-name]") == 115
    assert page.text("#health") == "all 115 nodes answer"
    page.until("return document.querySelectorAll('#ranking tbody tr').length === 12")


def test_an_identifier_is_explained_hop_by_hop(page: Browser):
    page.run("document.activeElement.blur()")
    page.press("/")
    page.type("#identifier", f"{ENTERPRISE}/000042\n")
    page.until("return document.querySelectorAll('#explained .values tr').length > 2")
    hops = page.run("return [...document.querySelectorAll('.hop b')].map(e => e.textContent)")
    assert hops == ["wuhan", "chips", ENTERPRISE]
    assert "not in the cache" in page.text(".outcome")
    page.until(
        'return document.querySelector(`[data-name="${arguments[0]}"]`).matches(".asked")',
        ENTERPRISE,
    )
    page.click("#explain-form button.main")
    page.until("return document.querySelector('.outcome')?.textContent.includes('from the cache')")
    page.run("document.querySelector('#identifier').value = ''")
    page.type("#identifier", f"{ENTERPRISE}/nothing\n")
    page.until("return document.querySelector('.outcome.notFound') !== null")


def test_a_node_is_stopped_turns_red_and_is_restored(page: Browser, data: Path):
    page.click(f'[data-name="{ENTERPRISE}"]')
    page.click('[data-do="stop"]')
    page.until(IS_RED, ENTERPRISE, seconds=SOON_S)
    page.until("return document.querySelector('#health').matches('.sick')", seconds=SOON_S)
    listed = json.loads(wuhan("fault", "list", ENTERPRISE, "--json", data=data).stdout)
    assert [row["text"] for row in listed] == ["stop"]
    page.click('[data-do="restore"]')
    page.until(IS_GREEN, ENTERPRISE, seconds=SOON_S)


def test_a_node_that_hangs_turns_red_by_itself(page: Browser, data: Path):
    with stopped(state_of(data, "steel")["pid"]):
        page.until(
            'return document.querySelector(`[data-name="steel"]`).matches(".silent")', seconds=4
        )
    page.until(IS_GREEN, "steel", seconds=4)


def test_a_process_that_dies_is_seen_and_comes_back(page: Browser, data: Path):
    os.kill(state_of(data, "food")["pid"], signal.SIGKILL)
    page.until('return document.querySelector(`[data-name="food"]`).matches(".down")', seconds=4)
    page.until(IS_GREEN, "food", seconds=6)


def test_faults_are_switched_with_the_form(page: Browser):
    page.click("#tab-faults")
    page.run("document.querySelector('#fault-node').value = 'optics'")
    page.run(
        "const kind = document.querySelector('#fault-kind'); kind.value = 'error';"
        "kind.dispatchEvent(new Event('change'))"
    )
    page.type("#fault-match", "88.901.2")
    page.click("#fault-form button.main")
    page.until('return document.querySelector(`[data-name="optics"]`).matches(".faulty")')
    page.until("return document.querySelector('#fault-list code')?.textContent === 'error=3'")
    page.click("#clear-all")
    page.until(IS_GREEN, "optics")


def test_a_failed_resolution_is_listed_and_explained(page: Browser, data: Path):
    identifier = f"{ENTERPRISE}/000077"
    added = wuhan("fault", "add", ENTERPRISE, "error=3", "--for", "60s", data=data)
    assert added.returncode == 0, added.stderr
    assert wuhan("resolve", identifier, data=data).returncode == 3
    assert wuhan("fault", "clear", ENTERPRISE, data=data).returncode == 0
    page.click("#tab-recent")
    row = "#recent-list li.failed"
    page.until(f"return document.querySelector('{row}')?.textContent.includes('{identifier}')")
    shown = page.text(row)
    assert "failed" in shown
    assert f"{ENTERPRISE} {identifier}" in shown, "the path that it took"
    page.click("#language")
    assert page.text("#recent-list li.failed b") == "失败"
    page.click("#language")
    page.click("#recent-list li.failed button.link")
    page.until("return document.querySelector('#explained .outcome') !== null")
    assert page.run("return document.querySelector('#identifier').value") == identifier
    assert page.run("return document.querySelector('#front').value") == "recursive"


def test_an_identifier_is_registered(page: Browser):
    page.click("#tab-register")
    page.type("#new-handle", "88.901.1/from-the-console")
    page.click("#register-form button.main")
    page.until("return document.querySelector('#explained .values')?.textContent.includes('URL')")
    assert page.text("#toast") == "88.901.1/from-the-console is registered at 88.901.1"


def test_the_tree_is_walked_with_keys(page: Browser):
    page.run("document.querySelector('[data-name=\"wuhan\"]').focus()")
    page.press("\ue014")  # →
    name = page.run("return document.activeElement.dataset.name")
    page.press("\ue014")
    assert page.run("return document.activeElement.dataset.name").startswith("88.9")
    page.press("\ue012")  # ←
    assert page.run("return document.activeElement.dataset.name") == name
    page.press("\ue007")  # Enter
    page.until("return document.querySelector('.node-name')?.textContent === arguments[0]", name)


def test_the_language_and_the_theme_are_switched(page: Browser, tmp_path: Path):
    page.click("#language")
    page.until("return document.querySelector('#health').textContent === '115 个节点全部应答'")
    assert page.text("#topology-title") == "网络拓扑"
    assert page.run("return document.documentElement.lang") == "zh-CN"
    before = page.run("return getComputedStyle(document.body).backgroundColor")
    page.click("#theme")
    assert page.run("return getComputedStyle(document.body).backgroundColor") != before
    page.click("#language")
    page.until("return document.querySelector('#topology-title').textContent === 'Network'")
    page.screenshot(tmp_path / "console.png")
    assert (tmp_path / "console.png").stat().st_size > 20_000


# --------------------------------------------------------------------------- without a browser


def fetched(url: str, *, headers: dict[str, str] | None = None, body: object = None) -> Any:
    """Status, headers and body."""
    octets = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, octets, headers or {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def token_in(url: str) -> str:
    found = re.search(rb'console-token" content="([0-9a-f]{64})"', fetched(url)[2])
    assert found is not None
    return found[1].decode()


def test_the_page_is_small_and_loads_nothing_from_elsewhere(url: str):
    status, headers, page = fetched(url)
    assert status == 200
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    parts = set(re.findall(r'(?:src|href)="(/console/[^"]+)"', page.decode()))
    sizes = [len(page)]
    for part in parts:
        where = url.removesuffix("/console") + part
        status, headers, octets = fetched(where, headers={"Accept-Encoding": "gzip"})
        assert status == 200
        sizes.append(len(octets))
        assert fetched(where, headers={"If-None-Match": headers["ETag"]})[0] == 304
    assert sum(sizes) < 30_000
    assert fetched(f"{url}/console.html")[0] == 404
    assert fetched(f"{url}/..%2Fpages.py")[0] == 404


def test_only_the_page_itself_may_do_something(url: str):
    origin, token = url.removesuffix("/console"), token_in(url)
    good = {"Origin": origin, "X-Console-Token": token}
    nothing = {"node": "optics", "number": None}
    assert fetched(f"{url}/clear", headers=good, body=nothing)[0] == 200
    for wrong in (
        {"X-Console-Token": token},
        {"Origin": origin},
        {"Origin": "http://evil.example", "X-Console-Token": token},
        {"Origin": origin, "X-Console-Token": "0" * 64},
        {"Origin": "http://evil.example", "Host": "evil.example", "X-Console-Token": token},
    ):
        status, _, told = fetched(f"{url}/clear", headers=wrong, body=nothing)
        assert status == 403, wrong
        assert json.loads(told)["message"]
    for bad in (
        {},
        {"node": "optics"},
        {"node": "optics", "number": "1"},
        {"node": "nobody", "number": 1},
        [1],
    ):
        assert fetched(f"{url}/clear", headers=good, body=bad)[0] == 400
    for bad in ({"node": "optics", "fault": "burn"}, {"node": "optics", "fault": 5}):
        assert fetched(f"{url}/fault", headers=good, body=bad)[0] == 400
    status, _, told = fetched(
        f"{url}/register", headers=good, body={"handle": "1.2/x", "values": [["URL", "x"]]}
    )
    assert status == 400
    assert "no node of this network" in json.loads(told)["message"]


def test_explaining_nonsense_is_answered_with_a_reason(url: str):
    for query in ("", "?id=", "?id=https://example.com/x", "?id=88.901.1/x&node=nobody"):
        status, _, told = fetched(f"{url}/explain{query}")
        assert status == 400
        assert json.loads(told)["message"]
