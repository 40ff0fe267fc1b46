// The numbers of groups of values and of stages of the backward pass; see box_numbers.py.

function createGroups({ data, root }, { groups, stages }) {
  const all = stages.flat(), after = []; // the gradient of its receiver after each contribution
  let find = null, results = null, histories = null; // for each receiver: the stages that change it, and their last contributions

  // `findPass` runs the correct pass. The numbers are computed when one is first read.
  function update(findPass) {
    find = findPass;
    results = null;
  }

  function compute() {
    results = find();
    histories ??= findHistories();
    const sums = new Float64Array(data.length);
    sums[root] = 1;
    for (const j of all) {
      const { to, sent } = results.sent[j];
      after[j] = sums[to] += sent;
    }
    for (const [to, history] of histories) after[history.at(-1)[1]] = results.grads[to]; // to the bit
  }

  function findHistories() {
    const changes = new Map();
    stages.forEach((stage, n) => stage.forEach((j) => {
      const { to } = results.sent[j], history = changes.get(to) ?? [];
      if (history.at(-1)?.[0] === n) history.pop();
      changes.set(to, [...history, [n, j]]);
    }));
    return changes;
  }

  function gradAfter(i, stage) {
    const last = histories.get(i)?.findLast(([n]) => n <= stage);
    return last ? after[last[1]] : Number(i === root);
  }

  // Returns the norm of what a stage sends, added up for each receiver.
  function measureSent(stage) {
    const sums = new Map();
    for (const j of stages[stage]) {
      const { to, sent } = results.sent[j];
      sums.set(to, (sums.get(to) ?? 0) + sent);
    }
    return Math.hypot(...sums.values());
  }

  const add = (numbers) => numbers.reduce((sum, x) => sum + x, 0);

  // Returns the number of a group or of a value, `i`, after a stage.
  function number(kind, i, stage) {
    if (!results) compute();
    if (kind === "w") return measureSent(i);
    if (kind === "r") return gradAfter(i, stage);
    const numbers = groups[i].map((k) => (/[tn]/.test(kind) ? gradAfter(k, stage) : data[k]));
    switch (kind) {
      case "m": return add(numbers) / numbers.length;
      case "t": return add(numbers);
      case "n": return Math.hypot(...numbers);
      default: return Math[kind === "l" ? "min" : "max"](...numbers);
    }
  }

  return { update, number };
}

// Writes a number in a circle, which has room for few digits unless the format asks for more.
function formatInCircle(x, spec) {
  if (spec !== ".4g") return formatNumber(x, spec);
  const text = formatRounded(x, 3);
  return text.length <= 6 ? text : formatRounded(x, 2);
}

// Writes a number rounded to a few digits, with an exponent if it is long.
function formatRounded(x, digits) {
  const rounded = Number.isFinite(x) ? Number(formatNumber(x, `.${digits}g`).replaceAll("−", "-")) : x;
  return formatNumber(rounded, `.${Math.max(digits, 5)}g`);
}
