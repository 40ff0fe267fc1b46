"""Targets of the figures in the tables."""


def verdict(value: float, target: float, *, least: bool) -> str:
    """Return a target, a lower bound if `least`, and whether a value reaches it.

    >>> verdict(12.0, 10.0, least=True), verdict(300.0, 250.0, least=False)
    ('at least 10: reached', 'at most 250: not reached')
    """
    reached = value >= target if least else value <= target
    return f"at {'least' if least else 'most'} {target:g}: {'' if reached else 'not '}reached"
