"""Changing records: what a request changes, who may, and how it is done. Sans-IO."""
