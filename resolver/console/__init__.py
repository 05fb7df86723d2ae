"""The console: the network in a browser, live, at the top-level node's HTTP port."""
