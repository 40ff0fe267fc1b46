// Numbers as text, as Python's format() writes them, and texts with places for numbers.

// Formats a number; `spec` is one of Python's, such as ".4g", ",.2f", ".3e" or "+.1%".
function formatNumber(x, spec) {
  const [, plus, group, point, type] = /([+ ]?)0?\d*([,_]?)(?:\.(\d+))?([gfen%]?)$/i.exec(spec), kind = type.toLowerCase();
  const digits = point === undefined ? 6 : Number(point), size = Math.abs(kind === "%" ? 100 * x : x);
  let text = x !== x ? "nan" : "inf";
  if (size < Infinity) {
    text = kind === "f" || kind === "%" ? writeFixed(size, digits)
      : kind === "e" ? writeExponential(size, digits) : kind || point ? writeGeneral(size, digits) : String(size);
    if (!kind && !/[.e]/.test(text)) text += ".0";
  }
  if (group) text = text.replace(/^\d+/, (whole) => whole.replace(/\B(?=(\d{3})+$)/g, group));
  if (kind === "%") text += "%";
  const isNegative = x < 0 || Object.is(x, -0), isZero = size < Infinity && !/[1-9]/.test(text);
  const sign = isNegative ? (isZero ? "" : "−") : plus; // a negative number that rounds to zero has none
  return sign + (type === kind ? text : text.toUpperCase()).replace("-", "−");
}

// Formats a number that is rounded to a few significant digits.
const writeRounded = (x, digits) => formatNumber(Number.isFinite(x) ? Number(x.toExponential(digits - 1)) : x, ".5g");

function writeGeneral(x, digits) {
  const most = Math.max(digits, 1), [mantissa, exponent] = roundDigits(x, most - 1);
  const isFixed = exponent >= -4 && exponent < most;
  const text = isFixed ? writeFixed(x, most - 1 - exponent) : mantissa;
  const short = text.includes(".") ? text.replace(/\.?0+$/, "") : text;
  return isFixed ? short : short + writeExponent(exponent);
}

function writeExponential(x, digits) {
  const [mantissa, exponent] = roundDigits(x, digits);
  return mantissa + writeExponent(exponent);
}

const writeExponent = (exponent) => `e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;

// Returns the mantissa, with a number of decimals, and the exponent.
function roundDigits(x, decimals) {
  const [mantissa, exponent] = toEven(x, decimals, "toExponential").split("e");
  return [mantissa, Number(exponent)];
}

function writeFixed(x, decimals) {
  return x < 1e21 ? toEven(x, decimals, "toFixed") : BigInt(x) + (decimals ? `.${"0".repeat(decimals)}` : "");
}

// Rounds as Python does: of two nearest numbers, JavaScript takes the larger one, Python the even one.
function toEven(x, decimals, write) {
  const text = x[write](decimals), [exact, end = ""] = x[write](Math.min(decimals + 30, 100)).split("e");
  const dot = exact.indexOf("."), rest = exact.slice(dot + 1 + decimals);
  if (!/^50*$/.test(rest)) return text;
  const below = exact.slice(0, decimals ? dot + 1 + decimals : dot);
  return /[02468]$/.test(below) ? below + (end && `e${end}`) : text;
}

// A place for a number: a context, and the key of the number (see places.py).
const PLACE = /\ufdd0([(+]?)([^\ufdd1]*)\ufdd1/g;

// Returns a text in whose places `find(key)` writes the numbers. The context "(" puts a negative
// number in parentheses; "+" writes a term of a sum after the first one, with its sign.
function fillText(text, find) {
  return fillPlaces(text, find, (sign, digits, context) => {
    if (context === "+") return ` ${sign || "+"} ${digits}`;
    return sign && context ? `(${sign}${digits})` : sign + digits;
  });
}

function fillMath(text, find) {
  return fillPlaces(text, find, (sign, digits, context) => {
    const number = `<mn>${digits}</mn>`;
    if (context === "+") return `<mo form="infix">${sign || "+"}</mo>${number}`;
    const signed = sign ? `<mo form="prefix">${sign}</mo>${number}` : number;
    return sign && context ? `<mrow><mo>(</mo>${signed}<mo>)</mo></mrow>` : signed;
  });
}

function fillPlaces(text, find, write) {
  return text.replace(PLACE, (_, context, key) => {
    const number = find(key), sign = number.startsWith("−") ? "−" : "";
    return write(sign, number.slice(sign.length), context);
  });
}
