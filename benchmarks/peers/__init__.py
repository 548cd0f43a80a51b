"""Peers of the recorder benchmark.

`raw_sqlite` and `environments` can be imported; the other peers run as scripts, each under the
Python of its own environment.
"""
