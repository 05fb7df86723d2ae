"""Benchmarks: figures with the conditions they were measured under, never tests."""
