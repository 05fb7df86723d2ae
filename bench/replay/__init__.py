"""``wuhan bench replay``: asks a node again what an access log says that it was asked.

    replaying   the requests at their times, and what came of them
    command     the command

Everything goes over TCP, whatever it came by: a datagram that is lost would be asked twice, and the
counts would differ from those that were recorded.
"""
