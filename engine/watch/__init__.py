"""Hooks (`no_grad`, `detect_anomaly`, ...), warnings about gradients, and explanations of them."""
