"""The resolution pipeline of a node, without sockets: octets or messages in, answers out."""
