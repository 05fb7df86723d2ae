"""One running process of nodes: stores, doors, upstreams, and the loop that joins them."""
