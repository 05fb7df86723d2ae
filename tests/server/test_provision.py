"""What a node's store holds when the node starts."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from resolver.model.site import Protocol, Site
from resolver.server.provision import provision
from resolver.storage import open_store
from resolver.storage.memory import MemoryStore
from resolver.topology.expand import expand
from resolver.topology.load import load_network
from resolver.topology.plan import Topology
from resolver.wire.typed import decode_site
from resolver.wire.values import ValueList

KEY = b"\0\0\0\x07UNKNOWN\0\0"


@pytest.fixture(scope="module")
def topology() -> Topology:
    return expand(load_network("minimal", environ={}))


def filled(topology: Topology, name: str, store: MemoryStore | None = None) -> MemoryStore:
    store = store or MemoryStore()
    provision(topology.node(name), topology, store, KEY)
    return store


def site(store: MemoryStore, handle: str, type_: str) -> Site:
    values = store.get(handle)
    assert values is not None
    (value,) = values.of_type(type_)
    return decode_site(value.data)


def test_each_tier_describes_the_prefixes_below_it(topology: Topology):
    assert list(filled(topology, "root").handles()) == ["0.NA/88"]
    assert list(filled(topology, "wuhan").handles()) == ["0.NA/88.901"]
    optics = filled(topology, "optics")
    assert "0.NA/88.901.1" in set(optics.handles())
    assert filled(topology, "recursive").count() == 0


def test_a_prefix_leads_to_the_node_that_serves_it(topology: Topology):
    below = site(filled(topology, "root"), "0.NA/88", "HS_SITE.PREFIX")
    assert below.attribute("name") == "wuhan"
    assert below.servers[0].port(Protocol.TCP) == topology.node("wuhan").port
    assert below.servers[0].interfaces[0].protocol == Protocol.TCP
    assert below.servers[0].public_key == KEY
    enterprise = site(filled(topology, "optics"), "0.NA/88.901.1", "HS_SITE")
    assert enterprise.servers[0].port(Protocol.UDP) == topology.node("88.901.1").port


def test_a_second_start_changes_nothing(topology: Topology):
    store = filled(topology, "88.901.1")
    before, generation = list(store.records()), store.generation()
    filled(topology, "88.901.1", store)
    assert (list(store.records()), store.generation()) == (before, generation)
    assert store.get("88.901.1/000100") is not None


def test_a_store_on_disk_is_found_as_it_was_left(topology: Topology, tmp_path: Path):
    spec, path = topology.node("88.901.1"), tmp_path / "records.mdb"
    for _ in range(2):
        with closing(open_store("lmdb", path)) as store:
            provision(spec, topology, store, KEY)
            before, generation = list(store.records()), store.generation()
            assert before == list(filled(topology, "88.901.1").records())
    with closing(open_store("lmdb", path)) as store:
        # Its owner takes a sample away: it does not come again.
        store.delete("88.901.1/000100")
        provision(spec, topology, store, KEY)
        assert store.get("88.901.1/000100") is None
        assert store.count() == len(before) - 1
        assert store.generation() == generation + 1


def test_other_ports_bring_prefix_records_up_to_date_and_nothing_else(topology: Topology):
    store = filled(topology, "optics")
    own = ValueList.of(())
    store.put_many([("88.901/mine", own)])
    ports = {node.name: (node.port, node.http_port) for node in topology.nodes}
    moved = topology.with_ports({**ports, "88.901.1": (4711, 4712)})
    filled(moved, "optics", store)
    enterprise = site(store, "0.NA/88.901.1", "HS_SITE")
    assert enterprise.servers[0].port(Protocol.TCP) == 4711
    assert store.get("88.901/mine") == own


def test_samples_are_for_new_stores_only(topology: Topology):
    spec = topology.node("88.901.1")
    store = MemoryStore()
    store.put_many([("88.901.1/mine", ValueList.of(()))])
    provision(spec, topology, store, KEY)
    assert list(store.handles()) == ["88.901.1/mine"]
    none = MemoryStore()
    provision(replace(spec, samples=0), topology, none, KEY)
    assert none.count() == 0
