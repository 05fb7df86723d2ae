"""What all tests share: pytest's own test bench, and the plugin that this package ships."""

from importlib.metadata import entry_points

# Installed, the plugin is there by itself; from a bare checkout it has to be named.
_INSTALLED = any(point.name == "wuhan" for point in entry_points(group="pytest11"))

pytest_plugins = ["pytester"] if _INSTALLED else ["pytester", "resolver.pytest_plugin"]
