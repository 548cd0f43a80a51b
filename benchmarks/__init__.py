"""Benchmarks and simulations: what is measured, beside the peer or the limit, in one run."""
