"""A network on this machine: its processes, its files, whether it is well."""
