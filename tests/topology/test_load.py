"""Reading network files: what wins, where it came from, and how errors read."""

from pathlib import Path

import pytest

from resolver.model.errors import ConfigError
from resolver.topology.load import PRESETS, SECTIONS, load_network
from resolver.topology.nearest import did_you_mean
from resolver.topology.schema import NetworkFile

NODE = '[[node]]\nname = "root"\nrole = "root"\nport = 2640\nhttp_port = 8002\n'


@pytest.fixture
def written(tmp_path: Path):
    """Write a network file; its path."""

    def write(text: str) -> str:
        path = tmp_path / "net.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def troubles(source: str, **given) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_network(source, **{"environ": {}, **given})
    return [line.removeprefix(f"{source}: ") for line in str(caught.value).splitlines()]


def test_a_file_with_nothing_but_a_node_has_all_defaults(written):
    loaded = load_network(written(NODE), environ={})
    assert loaded.file.network.base_port == 2600
    assert loaded.file.network.bind == ("127.0.0.1", "::1")
    assert loaded.file.cache.ttl_cap == 3600
    assert loaded.file.node[0].recursion is True
    assert loaded.origins == {}


def test_a_flag_beats_the_environment_which_beats_the_file(written):
    source = written('[network]\nsamples = 1\nbase_port = 1\nname = "a"\n' + NODE)
    loaded = load_network(
        source,
        overrides={"network.samples": 3},
        environ={"WUHAN_NETWORK_SAMPLES": "2", "WUHAN_NETWORK_BASE_PORT": "2", "HOME": "/x"},
    )
    assert loaded.file.network.samples == 3
    assert loaded.file.network.base_port == 2
    assert loaded.file.network.name == "a"
    assert loaded.origins == {
        "network.samples": "command line",
        "network.base_port": "WUHAN_NETWORK_BASE_PORT",
        "network.name": source,
    }


@pytest.mark.parametrize(
    ("variable", "text", "section", "key", "value"),
    [
        ("WUHAN_CACHE_TTL_CAP", "10m", "cache", "ttl_cap", 600.0),
        ("WUHAN_CACHE_LEAVES", "1GiB", "cache", "leaves", 1 << 30),
        ("WUHAN_LIMITS_MAX_ASKS", "4", "limits", "max_asks", 4),
        ("WUHAN_NETWORK_BIND", '["0.0.0.0"]', "network", "bind", ("0.0.0.0",)),
        ("WUHAN_NETWORK_NAME", "net-1", "network", "name", "net-1"),
    ],
)
def test_the_environment(written, variable: str, text: str, section: str, key: str, value: object):
    loaded = load_network(written(NODE), environ={variable: text})
    assert getattr(getattr(loaded.file, section), key) == value


def test_other_variables_of_ours_are_left_alone(written):
    load_network(written(NODE), environ={"WUHAN_DATA": "x", "WUHAN_CONFIG": "y", "WUHAN": "z"})


def test_a_misspelt_variable_is_an_error(written):
    assert troubles(written(NODE), environ={"WUHAN_CACHE_TTLCAP": "1h"}) == [
        "environment: WUHAN_CACHE_TTLCAP: there is no such setting; "
        "did you mean 'WUHAN_CACHE_TTL_CAP'?"
    ]


def test_an_error_names_where_the_value_came_from(written):
    source = written(NODE)
    assert troubles(source, environ={"WUHAN_CACHE_TTL_CAP": "soon"})[0].startswith(
        "WUHAN_CACHE_TTL_CAP: cache.ttl_cap: 'soon' is no duration"
    )
    assert troubles(source, overrides={"network.base_port": -1}) == [
        "command line: network.base_port: -1 is too small, at least 0 is needed"
    ]


SECONDARY = '[[secondary]]\nname = "a"\nprefix = "88.901"\nport = 1\nhttp_port = 2\n'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[netwrk]\n", "netwrk: there is no such key; did you mean 'network'?"),
        ("[network]\nbnd = []\n", "network.bnd: there is no such key; did you mean 'bind'?"),
        ("[network]\nbind = []\n", "network.bind: the list is empty"),
        ("[network]\nbind = 'here'\n", "network.bind: 'here' is not a list"),
        ('[network]\nname = ""\n', "network.name: '' is not a name: a letter or digit, then"),
        ("network = 5\n", "network: 5 is not a table"),
        ("[limits]\nmax_asks = 101\n", "limits.max_asks: 101 is too large, at most 100"),
        ("[limits]\ndeadline = '0s'\n", "limits.deadline: 0.0 is too small, it must be more"),
        ("[[node]]\nname = 'x'\nport = 1\nhttp_port = 2\n", "node[0].role: this key is missing"),
        (
            NODE.replace('"root"\np', '"rot"\np'),
            "node[0].role: 'rot' is none of 'root', 'top-level', 'secondary', 'enterprise' or "
            "'recursive'; did you mean 'root'?",
        ),
        (NODE.replace("2640", "'2640'"), "node[0].port: '2640' is not a whole number"),
        (NODE.replace("2640", "true"), "node[0].port: True is not a whole number"),
        (NODE + "recursion = 'yes'\n", "node[0].recursion: 'yes' is not true or false"),
        (NODE + "advertise = '::1'\n", "node[0].advertise: '::1' is neither an IPv4 address nor"),
        (NODE + "advertise = '300.1.1.1'\n", "node[0].advertise: '300.1.1.1' is neither an IPv4"),
        (NODE + "advertise = 'a_b'\n", "node[0].advertise: 'a_b' is neither an IPv4 address nor"),
        (NODE + "advertise = ''\n", "node[0].advertise: '' is neither an IPv4 address nor"),
        ("[limits]\nnetworks = ['10.0.0.1/8']\n", "limits.networks[0]: 10.0.0.1/8 has host bits"),
        (NODE + "bind = ['localhost']\n", "node[0].bind[0]: 'localhost' does not appear to be"),
        (NODE + "hints = { '8 8' = 'root' }\n", "node[0].hints.8 8: '8 8' is not a prefix"),
        (NODE + "administrators = ['x']\n", "node[0].administrators[0]: 'x' is not a key"),
        (SECONDARY * 3 + SECONDARY.replace("901", "9x"), "secondary[3].prefix: '88.9x' is not a"),
        (SECONDARY.replace("88.901", "88." + "9" * 70), "secondary[0].prefix: 88.9999999999999"),
        (SECONDARY + "hosted = 'all'\n", "secondary[0].hosted: 'all' is neither true nor a"),
        (SECONDARY + "enterprises = 1001\n", "secondary[0].enterprises: 1001 is too large"),
        (
            SECONDARY + "enterprises = 9\nenterprise_port = 65530\n",
            "secondary[0]: enterprise_port: 9 ports from 65530 on go beyond 65535",
        ),
        ("[network]\nname = 'a'\nname = 'b'\n", "Cannot overwrite a value (at line 3, column 11)"),
        ("[network\n", "Expected ']' at the end of a table declaration (at line 1, column 9)"),
    ],
)
def test_errors_name_key_and_reason(written, text: str, reason: str):
    (line,) = troubles(written(text))
    assert line.startswith(reason)


def test_every_error_is_told_at_once(written):
    lines = troubles(written("[cache]\nttl_cap = 1\nrouts = 2\n[limits]\nmax_asks = 0\n"))
    assert [line.split(":")[0] for line in lines] == [
        "cache.ttl_cap",
        "cache.routs",
        "limits.max_asks",
    ]


def test_what_cannot_be_read(tmp_path: Path):
    missing = str(tmp_path / "none.toml")
    (line,) = troubles(missing)
    assert line == (
        "cannot be read (No such file or directory); name a TOML file, or one of the networks "
        "that come with wuhan: wuhan, minimal"
    )
    (tmp_path / "latin.toml").write_bytes(b"# \xe9\n")
    assert troubles(str(tmp_path / "latin.toml")) == ["not UTF-8 at octet 2"]


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_found_by_name_wherever_one_is(preset, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / preset).mkdir()
    assert load_network(preset, environ={}).file.node


def test_the_nearest_word_is_offered_only_if_it_is_near():
    assert did_you_mean("optcs", ["optics", "chips"]) == "; did you mean 'optics'?"
    assert did_you_mean("zebra", ["optics", "chips"]) == ""


@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_can_be_set_in_the_environment(written, section: str):
    """What operators of containers set, they set there."""
    model = NetworkFile.model_fields[section].annotation
    assert model is not None
    key = next(iter(model.model_fields))
    with pytest.raises(ConfigError) as caught:
        load_network(written(NODE), environ={f"WUHAN_{section}_{key}".upper(): "[]"})
    assert str(caught.value).startswith(f"WUHAN_{section}_{key}".upper())
