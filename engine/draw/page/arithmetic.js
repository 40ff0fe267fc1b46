// The functions of engine/arithmetic.py for numbers, as printed rows call them.
// Where Math follows IEEE 754 as Python's floats do, its function is used as it is.

const inf = Infinity, nan = NaN;
const { abs, acos, acosh, asin, asinh, atan, atan2, atanh, cbrt, cos, cosh, exp, expm1, floor, log, log1p,
  log2, log10, sin, sinh, sqrt, tan, tanh, fround } = Math;
const exp2 = (x) => Math.pow(2, x);
const isNegative = (x) => x < 0 || Object.is(x, -0);
const copysign = (x, y) => (isNegative(x) === isNegative(y) ? x : -x);

// Math.pow returns nan for 1 ** nan and (-1) ** inf; IEEE 754 and Python return 1.
const power = (x, y) => (x === 1 || (x === -1 && abs(y) === inf) ? 1 : Math.pow(x, y));

// The remainder of x / y with the sign of y.
function mod(x, y) {
  const r = x % y;
  if (r === 0) return copysign(r, y);
  return r < 0 !== y < 0 ? r + y : r;
}

// floor(x / y), from the exact remainder.
function floor_divide(x, y) {
  if (y === 0) return x / y;
  const r = x % y;
  let quotient = (x - r) / y;
  if (r !== 0 && r < 0 !== y < 0) quotient -= 1;
  if (quotient === 0) return copysign(0, x / y);
  const whole = floor(quotient);
  return quotient - whole > 0.5 ? whole + 1 : whole;
}

// The nearest integer; of two, the even one.
function rint(x) {
  const large = 2 ** 52; // adding it rounds to integers
  return abs(x) < large ? copysign(abs(x) + large - large, x) : x;
}

const high_half = (x) => 134217729 * x - (134217729 * x - x);

// The rounding error of x * x (Dekker 1971).
function squareError(x) {
  const high = high_half(x), low = x - high;
  return low * low - (x * x - high * high - 2 * high * low);
}

// √(x² + y²). Scaling by a power of 2 prevents overflow; the residual of the root corrects it.
function hypot(x, y) {
  x = abs(x);
  y = abs(y);
  if (x === inf || y === inf) return inf;
  if (x < y) [x, y] = [y, x];
  if (!(y > x * 1e-17)) return x + y; // also for nan
  const scale = x > 1e150 ? 2 ** -600 : x < 1e-150 ? 2 ** 600 : 1;
  x *= scale;
  y *= scale;
  const root = sqrt(x * x + y * y);
  const rest = x * x - root * root + y * y + (squareError(x) + squareError(y) - squareError(root));
  return (root + rest / (2 * root)) / scale;
}

// The Taylor series of erf(x) / x in x², and the Chebyshev series of (1 + 2x) exp(x²) erfc(x) - 1 in
// t = (x - 3) / (x + 3), which converges for all x >= 0 (Shepherd and Laframboise 1981).
// tests/erf_coefficients.py computes them.
const SERIES = [1.1283791670955126, -0.37612638903183754, 0.11283791670955126,
  -0.026866170645131252, 0.005223977625442188, -0.0008548327023450853, 0.00012055332981789664,
  -1.492565035840625e-05, 1.6462114365889248e-06, -1.6365844691234924e-07, 1.4807192815879218e-08,
  -1.2290555301717928e-09, 9.422759064650411e-11, -6.7113668551641105e-12, 4.4632242632864775e-13,
  -2.7835162072109215e-14, 1.6342614095367152e-15, -9.063970842808673e-17, 4.763348040515068e-18];
const CHEBYSHEV = [0.17756257419656005, 0.005353904539615676, -0.09377550342284209,
  0.05436652555744322, -0.018976596707845208, 0.004453426061462712, -0.0006335531710553147,
  1.7661719523171593e-05, 1.2841532864056671e-05, -2.0072285659059913e-06, -1.807522790414837e-07,
  7.549828343825093e-08, 1.885668523838603e-09, -2.699519049798364e-09, -1.460079119939105e-11,
  1.0361607445969489e-10, 1.475715976623473e-12, -4.277340064396911e-12, -2.07922492859799e-13,
  1.8134502003176963e-13, 1.973425574544739e-14, -7.287943737592673e-15, -1.5169878690228116e-15,
  2.3514112258781403e-16, 1.0006111691821667e-16, -2.0572528169538546e-18, -5.608608218863183e-18,
  -5.546884725994431e-19];

function erf(x) {
  if (!(abs(x) < 0.75)) return x !== x ? x : copysign(1 - erfc(abs(x)), x);
  return x * SERIES.reduceRight((sum, c) => sum * x * x + c, 0);
}

function erfc(x) {
  if (!(x > 0.5)) return x < -0.75 ? 2 - erfc(-x) : 1 - erf(x);
  if (x > 28) return 0;
  const t = (x - 3) / (x + 3), w = 1 + 2 * x;
  let b = 0, c = 0;
  for (let k = CHEBYSHEV.length - 1; k > 0; k -= 1) [b, c] = [CHEBYSHEV[k] + 2 * t * b - c, b];
  const d = CHEBYSHEV[0] + t * b - c, lost = squareError(x) + (1 - (w - 2 * x)) / w;
  const e = exp(-x * x) / w;
  return e + e * (d - (1 + d) * lost); // exp(-x²) (1 + d) / (1 + 2x), corrected for rounding x² and 1 + 2x
}
