"""The doors of a node, one transport a file: bytes in, bytes out."""
