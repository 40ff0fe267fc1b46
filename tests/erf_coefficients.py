"""The coefficients of `erf` and `erfc` in engine/draw/page/arithmetic.js, computed with mpmath.

Run `python tests/erf_coefficients.py` to print them.
"""

import mpmath

K = 3  # maps x in [0, inf) to t = (x - K) / (x + K) in [-1, 1)
SERIES, CHEBYSHEV = 19, 28  # the numbers of coefficients
POINTS = 80  # Chebyshev points, more than the coefficients that matter


def taylor_coefficients():
    """Return c for erf(x) = x (c[0] + c[1] x² + c[2] x⁴ + ...)."""
    scale = 2 / mpmath.sqrt(mpmath.pi)
    return [(-1) ** n * scale / (mpmath.factorial(n) * (2 * n + 1)) for n in range(SERIES)]


def chebyshev_coefficients():
    """Return c for (1 + 2x) exp(x²) erfc(x) = 1 + c[0] + c[1] T1(t) + c[2] T2(t) + ...

    The function is smooth on all of [0, inf] (Shepherd and Laframboise 1981).
    """
    angles = [mpmath.pi * (j + mpmath.mpf(1) / 2) / POINTS for j in range(POINTS)]
    values = [scaled_erfc(mpmath.cos(angle)) for angle in angles]
    c = []
    for k in range(CHEBYSHEV):
        terms = (v * mpmath.cos(k * angle) for v, angle in zip(values, angles, strict=True))
        c.append(2 * mpmath.fsum(terms) / POINTS)
    return [c[0] / 2 - 1, *c[1:]]


def scaled_erfc(t):
    """Return (1 + 2x) exp(x²) erfc(x) for x = K (1 + t) / (1 - t)."""
    x = K * (1 + t) / (1 - t)
    return (1 + 2 * x) * mpmath.exp(x * x) * mpmath.erfc(x)


if __name__ == "__main__":
    with mpmath.workdps(60):
        for name, c in (("SERIES", taylor_coefficients()), ("CHEBYSHEV", chebyshev_coefficients())):
            print(f"const {name} = [{', '.join(repr(float(x)) for x in c)}];")
