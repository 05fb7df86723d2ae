"""The long run: ``wuhan bench soak``, towards two billion resolutions, every answer verified.

A few pipelined TCP connections of one process ask a node for identifiers whose records are known
beforehand, as they follow from a seed (``secondary_nodes.population``):

    blocks       what is asked and what must come back, octet by octet
    asking       the connections: sends blocks, compares what arrives
    checkpoint   what is done so far, in a file that survives whatever ends the run
    run          the network, the rounds, the progress
    report       the figures for machines and for people
    command      ``wuhan bench soak``

Locust measures what a client of one request at a time sees; this measures how much can be resolved
at all, and proves it.
"""
