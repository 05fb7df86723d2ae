"""The wire codec, sans-IO: octets ↔ typed messages. Pure: no sockets, no clock."""
