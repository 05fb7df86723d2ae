"""The plugin as a user's test suite meets it."""

import subprocess
import sys
from importlib.metadata import entry_points

import pytest

# Installed, the plugin is there by itself; from a bare checkout it has to be named.
INSTALLED = any(point.name == "wuhan" for point in entry_points(group="pytest11"))
WITH_PLUGIN = () if INSTALLED else ("-p", "resolver.pytest_plugin")
DEAR = ("aiohttp", "asyncio", "cryptography", "lmdb", "pydantic", "rich", "uvloop")


def test_loading_the_plugin_imports_nothing_dear():
    code = (
        "import sys, pytest; before = set(sys.modules); import resolver.pytest_plugin;"
        f"print(sorted(set({DEAR!r}) & (set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_a_users_tests_resolve_import_and_lose_a_node(pytester: pytest.Pytester):
    pytester.makepyfile(
        """
        import json
        import subprocess
        import sys
        from urllib.request import urlopen

        import pytest

        from resolver.client import Client, NotFound, ResolutionError
        from resolver.model.errors import ConfigError


        def test_resolves(wuhan_network):
            record = wuhan_network.resolve("88.901.1/000001", types=("URL",))
            assert [value.type for value in record.values] == ["URL"]

        def test_says_what_is_not_there(wuhan_network):
            with pytest.raises(NotFound):
                wuhan_network.resolve("88.901.1/no-such-thing")

        def test_has_one_node_of_each_tier(wuhan_network):
            roles = sorted(node.role for node in wuhan_network.nodes.values())
            assert roles == ["enterprise", "recursive", "root", "secondary", "top-level"]
            assert wuhan_network.node("optics").prefix == "88.901"

        def test_answers_over_http(wuhan_network):
            url = f"{wuhan_network.recursive.http_url}/api/handles/88.901.1/000001"
            with urlopen(url) as reply:
                assert json.load(reply)["responseCode"] == 1

        def test_imports(wuhan_network):
            wuhan_network.import_records([
                {"handle": "88.901.1/mine", "values": [
                    {"index": 1, "type": "DESC",
                     "data": {"format": "string", "value": "mine"}}]},
                '{"handle": "88.901.1/yours", "values": [{"index": 1, "type": "DESC",'
                ' "data": {"format": "string", "value": "yours"}}]}',
            ])
            for name in ("mine", "yours"):
                assert wuhan_network.resolve(f"88.901.1/{name}").values[0].text == name

        def test_refuses_a_bad_record(wuhan_network):
            with pytest.raises(ValueError, match="1"):
                wuhan_network.import_records(['{"handle": 5}'])

        def test_does_without_a_node(wuhan_network):
            with wuhan_network.paused("88.901.1"), pytest.raises(ResolutionError):
                wuhan_network.resolve("88.901.1/000077")
            assert wuhan_network.resolve("88.901.1/000078").code == 1

        def test_scripts_what_goes_wrong(wuhan_network):
            name = "88.901.1/000079"
            with wuhan_network.fault("88.901.1", "error=3", match=name, times=1) as fault:
                with pytest.raises(ResolutionError):
                    wuhan_network.resolve(name)
                assert wuhan_network.resolve(name, authoritative=True).code == 1
                assert (fault.matched, fault.affected) == (2, 1)
            with pytest.raises(ConfigError), wuhan_network.fault("optics", "burn"):
                pass

        def test_commands_mean_this_network(wuhan_network):
            done = subprocess.run(
                [sys.executable, "-m", "resolver.cli.main", "resolve", "88.901.1/000002", "--json"],
                env=wuhan_network.environ, capture_output=True, text=True, check=True)
            assert json.loads(done.stdout)["handle"] == "88.901.1/000002"
        """
    )
    result = pytester.runpytest_subprocess(*WITH_PLUGIN, "-p", "no:cacheprovider", timeout=110)
    result.assert_outcomes(passed=9)


@pytest.mark.slow
def test_resolving_works_inside_a_running_event_loop(pytester: pytest.Pytester):
    pytester.makepyfile(
        """
        import asyncio

        def test_resolves(wuhan_network):
            async def within():
                return wuhan_network.resolve("88.901.1/000001")
            assert asyncio.run(within()).code == 1
        """
    )
    pytester.runpytest_subprocess(*WITH_PLUGIN, timeout=60).assert_outcomes(passed=1)


@pytest.mark.slow
def test_a_config_that_cannot_be_read_is_an_error_that_says_so(pytester: pytest.Pytester):
    pytester.makeini("[pytest]\nwuhan_config = no-such-network.toml")
    pytester.makepyfile("def test_never_runs(wuhan_network): pass")
    result = pytester.runpytest_subprocess(*WITH_PLUGIN, timeout=60)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*no-such-network.toml*cannot be read*"])


def test_the_command_line_beats_the_ini_file(pytester: pytest.Pytester):
    pytester.makeini("[pytest]\nwuhan_config = from-ini.toml")
    pytester.makepyfile(
        """
        def test_option(request):
            assert request.config.getoption("--wuhan-config") == "from-option.toml"
            assert request.config.getini("wuhan_config") == "from-ini.toml"
        """
    )
    pytester.runpytest_subprocess(
        *WITH_PLUGIN, "--wuhan-config", "from-option.toml"
    ).assert_outcomes(passed=1)
