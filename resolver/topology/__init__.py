"""Networks as data: from TOML to the list of nodes."""
