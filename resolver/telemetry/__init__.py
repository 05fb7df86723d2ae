"""What a node counts, and how Prometheus gets to see it."""
