"""Sample records."""

import json
from ipaddress import ip_address
from itertools import islice
from time import process_time

from resolver.model.handle import MAX_HANDLE_OCTETS
from resolver.model.site import AdminRecord, AdminRight, Interface, Server, Site
from resolver.model.value import Permission, Reference
from resolver.storage.base import check_record
from resolver.wire.typed import decode_admin, decode_site, decode_vlist
from resolver.wire.values import ValueList
from secondary_nodes.population import prefix_records, sample_records
from secondary_nodes.roster import ROSTER

PREFIX = "88.901.1"
HEADER_OCTETS = 20 + 24 + 4 + 4
"""Envelope, header, the lengths of handle and credential."""


def record(suffix: str, prefix: str = PREFIX, count: int = 100) -> ValueList:
    return dict(sample_records(prefix, count))[f"{prefix}/{suffix}"]


def one(values: ValueList, index: int) -> bytes:
    (found,) = (value.data for value in values if value.index == index)
    return found


def test_the_same_prefix_and_seed_give_the_same_octets() -> None:
    first = [(handle, values.octets) for handle, values in sample_records(PREFIX)]
    again = [(handle, values.octets) for handle, values in sample_records(PREFIX)]
    other = [(handle, values.octets) for handle, values in sample_records(PREFIX, seed="other")]
    assert first == again != other
    assert [handle for handle, _ in first] == [handle for handle, _ in other]


def test_fewer_records_are_the_beginning_of_more() -> None:
    few, many = sample_records(PREFIX, 10), sample_records(PREFIX, 1000)
    assert list(islice(few, 10)) == list(islice(many, 10))


def test_records_are_made_one_by_one() -> None:
    assert next(sample_records(PREFIX, 10**12))[0] == "88.901.1/000001"


def test_handles_of_one_enterprise() -> None:
    handles = [handle for handle, _ in sample_records(PREFIX, 3)]
    assert handles == [
        f"{PREFIX}/{suffix}"
        for suffix in (
            "000001", "000002", "000003",
            "ADMIN", "META_PRODUCT", "LATEST", "KIT", "REPORT", "光模块-样品",
        )
    ]  # fmt: skip
    assert [handle for handle, _ in sample_records(PREFIX, 0)] == [
        f"{PREFIX}/ADMIN",
        f"{PREFIX}/META_PRODUCT",
    ]


def test_a_product() -> None:
    values = record("000001")
    assert [value.index for value in values] == [1, 2, 100, 1000, 2000, 2001, 2002, 2003]
    assert one(values, 1) == b"https://id.example/88.901.1/000001"
    assert "虚构" in one(values, 2).decode()
    assert decode_admin(one(values, 100)) == AdminRecord(AdminRight.ALL, f"{PREFIX}/ADMIN", 301)
    assert one(values, 1000) == b"88.901.1/META_PRODUCT"
    assert {value.permissions for value in values} == {Permission.DEFAULT}
    assert {value.timestamp for value in values} == {1_704_067_200}


def test_industries_differ() -> None:
    types = {
        tuple(value.type for value in record("000001", node.enterprise_prefixes()[0]))
        for node in ROSTER
    }
    assert len(types) == len(ROSTER)


def test_products_of_an_enterprise_vary() -> None:
    texts = {values.octets[60:] for _, values in islice(sample_records(PREFIX), 100)}
    assert len(texts) == 100
    assert len({one(values, 2) for _, values in islice(sample_records(PREFIX), 100)}) == 4


def test_every_record_can_be_stored_and_every_product_fits_a_datagram() -> None:
    for node in ROSTER:
        for prefix in node.enterprise_prefixes():
            for handle, values in sample_records(prefix, 20):
                check_record(handle, values)
                assert len(handle.encode()) < MAX_HANDLE_OCTETS
                if handle.rpartition("/")[2].isdigit():
                    assert HEADER_OCTETS + len(handle) + len(values.octets) <= 512


def test_the_administrator_has_a_key_that_only_administrators_read() -> None:
    values = record("ADMIN")
    (key,) = values.of_type("HS_SECKEY")
    assert key.index == 301
    assert key.permissions == Permission.ADMIN_READ | Permission.ADMIN_WRITE
    assert key.data.startswith(b"SAMPLE-NOT-SECRET")
    assert [value.index for value in values.public()] == [2, 100]


def test_the_template_lists_the_attributes_of_products() -> None:
    items = json.loads(one(record("META_PRODUCT"), 1000))["items"]
    product = [value for value in record("000001") if value.index >= 2000]
    assert [item["idIndex"] for item in items] == [value.index for value in product]
    assert [item["englishName"] for item in items] == [value.type for value in product]


def test_the_special_records() -> None:
    assert one(record("LATEST"), 1) == b"88.901.1/000100"
    (kit,) = record("KIT").of_type("parts")
    assert kit.references == (Reference(f"{PREFIX}/000001", 1), Reference(f"{PREFIX}/000100", 1))
    assert 17_000 < len(record("REPORT").octets) < 25_000


SITE = Site((Server(1, ip_address("127.0.0.1"), b"key", (Interface(3, 1, 2801),)),))
MIRROR = Site((Server(1, ip_address("127.0.0.2"), b"key", (Interface(2, 1, 2801),)),), flags=0)


def test_the_record_of_a_prefix() -> None:
    values = prefix_records("88.901", [SITE], title="光通信 (fictional)", delegates=True)
    assert [(value.index, value.type) for value in values] == [
        (1, "HS_SITE"),
        (2, "HS_SITE.PREFIX"),
        (3, "DESC"),
        (100, "HS_ADMIN"),
        (200, "HS_VLIST"),
    ]
    assert decode_site(one(values, 1)) == decode_site(one(values, 2)) == SITE
    assert one(values, 3).decode() == "光通信 (fictional) · 示例，虚构 / fictional sample"
    assert decode_admin(one(values, 100)) == AdminRecord(AdminRight.ALL, "0.NA/88.901", 200)
    assert decode_vlist(one(values, 200)) == (Reference("88.901/ADMIN", 301),)


def test_the_record_of_a_prefix_that_delegates_nothing_and_has_a_mirror() -> None:
    values = prefix_records("88.901.1", [SITE, MIRROR], timestamp=5)
    assert [(value.index, value.type) for value in values] == [
        (1, "HS_SITE"),
        (3, "DESC"),
        (11, "HS_SITE"),
        (100, "HS_ADMIN"),
        (200, "HS_VLIST"),
    ]
    assert {value.timestamp for value in values} == {5}
    assert decode_site(one(values, 11)) == MIRROR


def test_all_samples_of_the_default_network_take_well_under_a_second() -> None:
    started = process_time()
    made = sum(
        len(values.octets) > 0
        for node in ROSTER
        for prefix in node.enterprise_prefixes()
        for _, values in sample_records(prefix)
    )
    assert made == 100 * 106
    # CPU time, a third of this in practice; the first start of a network waits for it.
    assert process_time() - started < 2
