"""Tools that several demos share, and the benchmarks too: timing and tables."""
