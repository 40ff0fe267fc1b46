// Judges the answers of the quiz, and explains wrong ones.

// Reads an answer; undefined if it is no number.
function readAnswer(text) {
  const plain = text.trim().replaceAll("−", "-"), x = readNumber(plain.replace(/%$/, ""));
  return x !== undefined && plain.endsWith("%") ? x / 100 : x;
}

// Returns whether an answer is one of some numbers, to the digits that the page shows. An answer with
// fewer digits is right if it is the number rounded to at least `least` significant digits.
function isAnswer(text, numbers, spec, least = 2) {
  const x = readAnswer(text), typed = text.trim().replaceAll("-", "−");
  if (numbers.some((number) => formatNumber(number, spec) === typed)) return true;
  if (x === undefined) return false;
  const [, whole, decimals = "", exponent = 0] = /^\D*?(\d*)[.,]?(\d*)(?:e([-+]?\d+))?%?$/i.exec(typed.replaceAll("−", "-")) ?? [];
  const digits = `${whole}${decimals}`.replace(/^0+/, "").length;
  const room = 0.5 * 10 ** (Number(exponent) - decimals.length - (typed.endsWith("%") ? 2 : 0)) * (1 + 1e-9);
  return numbers.some((number) => {
    const shown = formatNumber(number, spec);
    if (formatNumber(x, spec) === shown || (x === 0 && Math.abs(number) < 1e-12)) return true;
    const isRounded = (y) => [1, 2, 3, 4, 5, 6].some((n) => n >= least && Number(y.toPrecision(n)) === x); // without zeros at its end
    const isNear = (y) => digits >= least && Math.abs(x - y) <= room + 4e-16 * Math.abs(y);
    return [number, readShown(shown)].some((y) => isRounded(y) || isNear(y));
  });
}

// Reads a number of the page.
function readShown(text) {
  const x = readAnswer(text.replace(/[_,%]/g, "")) ?? NaN;
  return text.endsWith("%") ? x / 100 : x;
}

// Returns a sentence that explains a wrong answer. A mistake is a number with such a
// sentence; the first one that fits is taken, if possible to all digits.
function explainAnswer(text, number, mistakes, spec) {
  const x = readAnswer(text);
  if (x === undefined) return "Type a number, such as −1.5 or 2e-3.";
  const isNear = (y, z, share) => Math.abs(y - z) <= share * Math.abs(z); // people compute with the numbers shown
  const known = mistakes.filter(([y]) => Number.isFinite(y) && !isAnswer(writeNumber(y), [number], spec));
  const fits = ([y]) => isAnswer(text, [y], spec) || (isNear(x, y, 1e-3) && !isNear(y, number, 1e-2));
  const mistake = known.find(([y]) => formatNumber(x, spec) === formatNumber(y, spec)) ?? known.find(fits);
  if (mistake) return mistake[1];
  if (isAnswer(text, [number], spec, 1)) return "Close. Give at least two digits.";
  return isNear(x, number, 0.02) ? "Close. Check the last digits." : "Not this number.";
}

// Returns the typical mistakes of a question. `row` is the row of the operation, `xs` and `out` are
// its inputs and its result, and `names` are the names of its inputs.

function listMistakesOfResult({ row, kind, xs, out, name, names }) {
  const [x, y] = xs, [a, b] = names, pair = xs.length === 2;
  const locals = row.slopes?.([out], xs) ?? [];
  return [
    ...(pair ? [[x + y, `This is ${a} + ${b}.`], [x * y, `This is ${a} · ${b}.`], [x - y, `This is ${a} − ${b}.`],
      [y - x, `This is ${b} − ${a}.`], [x / y, `This is ${a} / ${b}.`], [y / x, `This is ${b} / ${a}.`],
      [x ** y, `This is ${a} to the power of ${b}.`], [y ** x, `This is ${b} to the power of ${a}.`]] : []),
    [-out, "The size is right, but the sign is not."],
    ...(/^(dot|total)$/.test(kind) ? xs.map((_, k) => [row.forward(xs.map((z, i) => (i === k ? 0 : z)))[0], `A term is missing: the one with ${names[k]}.`]) : []),
    ...xs.map((z, k) => [z, `This is ${names[k]} itself, which is an input of ${name}.`]),
    ...locals.map((z, k) => [z, `This is the local derivative for ${names[k]}; the forward pass computes ${name} itself.`]),
  ];
}

// Slopes as functions of the output, into which the input is put by mistake. Rows have another form.
const OF_OUTPUT = { tanh: (out) => 1 - out * out, sigmoid: (out) => out * (1 - out) };

function listMistakesOfFactor({ row, kind, xs, out, k, name, names, data, upstream, local, forms }) {
  const locals = row.slopes([out], xs), x = names[k];
  const replace = (z) => xs.map((y, i) => (i === k ? z : y)), at = (z, inputs) => row.slopes([z], inputs)[k];
  const others = xs.flatMap((_, i) => (i === k ? [] : [[locals[i], `This is the derivative for ${names[i]}, not for ${x}.`]]));
  const atOutput = `The slope is taken at the output, ${name}; it is needed at the input, ${x}.`;
  const hasOne = /<mn>1<\/mn><mo>[−+]/.test(forms), one = "The 1 in the formula is missing.";
  return [
    ...others,
    ...[out, row.forward(replace(out))[0]].map((z) => [at(z, replace(out)), atOutput]),
    ...(xs.length === 1 ? [[(OF_OUTPUT[kind] ?? ((z) => at(z, xs)))(xs[0]), `The formula needs the output ${name}, not the input ${x}.`]] : []),
    ...(hasOne ? [[local - 1, one], [1 - local, one], [out * out, one], [-out * out, one]] : []),
    ...(kind === "xʸ" && k === 0 ? [[xs[0] ** (xs[1] - 1), "The exponent is missing as a factor."], [xs[1] * out, "The exponent is not reduced by 1."]] : []),
    [-local, "The size is right, but the sign is not."],
    [upstream * local, "This is the product with the upstream gradient; the local derivative alone is needed."],
    [out, `This is ${name} itself, not its derivative.`],
    ...xs.map((z, i) => [z, `This is ${names[i]} itself, not the derivative of ${name}.`]),
    [upstream, `This is the upstream gradient; the local derivative of ${name} does not depend on it.`],
    [1 / local, "This is the reciprocal."],
    [0, `0 would mean that ${name} stays the same when ${x} changes.`],
  ];
}

function listMistakesOfProduct({ upstream, local, sent, before, after, name, names, to, xs, k, locals }) {
  return [
    [local, "This is the local derivative alone: the upstream gradient is missing."],
    [upstream, "This is the upstream gradient alone: the local derivative is missing."],
    [upstream + local, "The upstream gradient and the local derivative are multiplied, not added."],
    [-sent, "The size is right, but the sign is not."],
    [after, `This is the gradient of ${to} after the addition; only the product is needed.`],
    [before, `This is the gradient that ${to} had before.`],
    ...locals.flatMap((slope, i) => (i === k ? [] : [[upstream * slope, `This is the product for ${names[i]}, not for ${to}.`]])),
    [upstream * xs[k], `This is the upstream gradient times ${to} itself, not times a derivative.`],
    [upstream / local, "The upstream gradient is divided by the local derivative, not multiplied."],
    [0, `0 would mean that ${name} sends nothing to ${to}.`],
  ];
}

function listMistakesOfSum({ upstream, sent, before, after, name, to }) {
  return [
    [sent, `The product is assigned, not added: ${to} loses the gradient that it had.`],
    [before, `This is the gradient that ${to} had before; the product is missing.`],
    [before - sent, "The product is subtracted, not added."],
    [sent - before, `The gradient that ${to} had is subtracted, not added.`],
    [before * sent, "The contributions are added, not multiplied."],
    [-after, "The size is right, but the sign is not."],
    [upstream, `This is the gradient of ${name}, not of ${to}.`],
    [before + upstream, "The upstream gradient is added; the product is needed."],
  ];
}
