"""Workloads: who asks for what, how often. Each is a TOML file of this folder, or of a user's own.

``model`` is what a file may say, ``names`` makes the questions, ``arrivals`` says when each is due.
Rule: all of it is a pure function of the file and a seed; nothing here opens a socket, reads a
clock or knows of Locust.
"""
