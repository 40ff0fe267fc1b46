// The numbers of groups of values and of stages of the backward pass; see box_numbers.py.

function createGroups({ data, root }, { groups, stages }) {
  const waiting = new Map(); // the number of contributions to each receiver
  let histories = new Map(), norms = []; // for each receiver the stages that change its gradient, and the gradients

  function update({ sent, grads }) {
    waiting.clear();
    for (const j of stages.flat()) waiting.set(sent[j].to, (waiting.get(sent[j].to) ?? 0) + 1);
    histories = new Map([[root, [[-1, grads[root]]]]]);
    norms = stages.map((stage, n) => {
      const added = new Map();
      for (const { to, sent: x } of stage.map((j) => sent[j])) {
        added.set(to, (added.get(to) ?? 0) + x);
        if (!histories.has(to)) histories.set(to, []);
        const history = histories.get(to);
        waiting.set(to, waiting.get(to) - 1); // the last sum is that of the pass, to the bit
        history.push([n, waiting.get(to) ? (history.at(-1)?.[1] ?? 0) + x : grads[to]]);
      }
      return Math.hypot(...added.values());
    });
  }

  const gradAfter = (i, stage) => histories.get(i)?.findLast(([n]) => n <= stage)?.[1] ?? 0;
  const add = (numbers) => numbers.reduce((sum, x) => sum + x, 0);

  // Returns the number of a group or of a value, `i`, after a stage.
  function number(kind, i, stage) {
    if (kind === "w") return norms[i];
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
