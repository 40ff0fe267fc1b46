"""Readers that observe and explain a graph: hooks, warnings, anomalies, paths, wrong passes."""
