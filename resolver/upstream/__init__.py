"""The client side: how a node or a client reaches other nodes."""
