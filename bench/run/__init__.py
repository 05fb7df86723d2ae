"""``wuhan bench run``: a workload against a network, thresholds, and reports.

``session`` lets Locust ask and gathers what it and the nodes tell into slices; ``results`` makes
one document of them; ``thresholds`` and ``baseline`` judge it; ``bench.report`` writes it down for
people and for machines; ``command`` is what is typed.
"""
