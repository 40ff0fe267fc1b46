"""The content of a drawing of a graph, and its layout by Graphviz."""
