"""Locust's users: client applications that resolve and register, one file for each way to ask.

They are subclasses of Locust's own, so that its web interface, its reports, its shapes and its
distributed mode know them. Everything here runs on gevent; what is asked and what is right comes
from ``bench.workloads`` and ``bench.answers``, which know nothing of that.
"""
