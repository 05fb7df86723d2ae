"""The command ``wuhan``, one file per group of commands."""
