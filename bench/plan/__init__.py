"""How many nodes a load takes: ``wuhan bench calibrate`` and ``wuhan plan``.

``calibrate`` measures what answers cost on this machine, ``calibration`` is the file it leaves;
``sampling`` starts the networks, ``asking`` loads them, ``refusals`` overloads one, ``pace`` tells
how fast the machine is.
``popularity``, ``caching`` and ``queueing`` are the models: who is asked for how often, what of it
a cache holds, how long one waits. ``demand`` says what is asked, ``fleet`` puts all together,
``sensitivity`` tells which assumption matters most. ``validate`` sets predictions beside measured
runs. Rule: the models know neither sockets, nor clocks, nor the network.
"""
