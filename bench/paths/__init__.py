"""The other ways through the node, each with its goal: ``python -m bench.paths [NAME …]``.

One file for each path, with a ``measure(folder, options)`` that starts what it needs, measures it
round by round and returns a ``Path`` report; ``bench.paths.__main__`` has the list of them. In all,
the node that is measured has one core and everything else shares another, and the figure judged is
the work done for each second of CPU that the kernel accounts to the node's processes: what one core
does when it does nothing else and nobody disturbs it. The rate that was seen stands beside it.
"""
