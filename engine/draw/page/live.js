// A view that computes its numbers. Its frames and facts are texts with places for numbers; see
// numbers.py for the keys of the places.

const MOST_PATHS = 5; // listed paths of a gradient

function createLive({ graph: packed, runs: templates, facts }, rows) {
  const { nodes, passes, spec } = packed, graph = createGraph(nodes, rows);
  let results = [], texts = [], described = [], table = null, written = null;

  function update() {
    graph.compute();
    results = [];
    texts = passes.map(() => new Map());
    table = null;
    described = [];
  }

  // Returns the numbers of a pass, which is run when they are first used.
  function findPass(run) {
    return (results[run] ??= graph.runPass(passes[run][0], passes[run][1]));
  }

  function number(run, key) {
    if (key[0] === "d") return graph.data[key.slice(1)];
    const [i, k, index] = key.slice(1).split(".").map(Number), sent = findPass(run).sent[i];
    switch (key[0]) {
      case "g": return findPass(0).grads[i];
      case "p": return index === undefined ? graph.partials(i)[k] : graph.partialsOfResults(i, k)[index];
      case "u": return k === undefined ? sent.upstream : sent.upstream[k] ?? 0;
      default: return { s: sent.sent, b: sent.before, a: sent.after }[key[0]];
    }
  }

  const write = (x) => formatNumber(x, spec);

  // Returns a function that maps keys to formatted numbers of a run.
  const finders = passes.map((_, run) => (key) => {
    if (!texts[run].has(key)) texts[run].set(key, write(number(run, key)));
    return texts[run].get(key);
  });

  // A frame with the numbers of this moment.
  class Frame {
    constructor(template, run) {
      this.template = template;
      this.find = finders[run];
      this.describe = () => ({});
      for (const name of ["kind", "marked", "node", "to", "where", "lines"]) this[name] = template[name];
    }
    get title() { return this.describe().title ?? fillText(this.template.title, this.find); }
    get note() { return this.describe().note ?? fillText(this.template.note ?? "", this.find); }
    get marks() { return this.describe().marks; }
    get alarm() { return this.describe().alarm; }
    get data() { return this.fill(this.template.data); }
    get grad() { return this.fill(this.template.grad); }
    fill(numbers = {}) { return Object.fromEntries(Object.entries(numbers).map(([id, text]) => [id, fillText(text, this.find)])); }
  }
  const runs = templates.map(({ title, frames }, run) => ({ title, frames: frames.map((frame) => new Frame(frame, run)) }));

  // The frames of an incorrect pass: its start, the seed, its contributions, and its end.
  runs.slice(1).forEach(({ frames }, i) => {
    const find = () => describeRun(i + 1), last = frames.length - 1;
    frames.forEach((frame, n) => {
      if (n > 1) frame.describe = () => (n === last ? { title: find().title, note: find().note } : find().steps[n - 2]);
    });
    frames[0].describe = () => ({ marks: find().marks, note: [find().luck, templates[i + 1].frames[0].note].filter(Boolean).join(" ") });
    frames[1].describe = () => ({ marks: find().seed });
  });

  function describeRun(run) {
    const [, accumulates, reason] = passes[run];
    return (described[run] ??= describeMistake(graph, findPass(0), findPass(run), { accumulates, reason }, write, writeApart));
  }

  // Writes two numbers with so many digits that two that differ read differently.
  function writeApart(x, y) {
    for (const form of [spec, ...[5, 6, 7, 8, 9, 10, 11, 12, 13].map((digits) => `.${digits}g`)]) {
      const pair = [x, y].map((z) => formatNumber(z, form));
      if (pair[0] !== pair[1]) return pair;
    }
    return [x, y].map(write);
  }

  // Returns the paths of a value's gradient: each a product, the next value, the input by which the
  // path enters it, the rank of the rest among its paths, and a text.
  function findFactsOfPaths(i) {
    table ??= findPaths(graph, MOST_PATHS);
    const { best, count, gradient } = table[i], all = BigInt(best.length) === count;
    const routes = shortenRoutes(best.map((path) => nameRoute(i, path)));
    return {
      gradient: write(gradient),
      paths: best.length && i !== graph.root && !graph.isShared[i] ? best.map(({ product, to, k, rank }, n) => [write(product), to, k, rank, routes[n]]) : undefined,
      path_count: count < 10n ** 12n ? count.toLocaleString("en-US") : `10^${String(count).length - 1}`,
      rest: write(all ? 0 : subtractPaths(table[i])),
    };
  }

  function nameRoute(i, path) {
    const names = [];
    for (let at = path; at.to >= 0; at = table[at.to].best[at.rank]) {
      names.push(facts[at.to].uses[at.k]);
      i = at.to;
    }
    return [...names, nodes[i].name];
  }

  // Returns whether the texts have a place for the number of a leaf, without which it cannot change.
  function isWritten(i) {
    written ??= new Set(JSON.stringify([templates, facts]).match(/d\d+(?=\ufdd1)/g));
    return written.has(`d${i}`);
  }

  // Returns the first value that is not finite although its inputs are, or else whose gradient is not.
  function findTrouble() {
    const isFinite = (x) => [x].flat().every(Number.isFinite), { data, inputsOf } = graph;
    const i = data.findIndex((x, i) => !isFinite(x) && inputsOf[i].every((k) => isFinite(data[k])));
    if (i >= 0) return { i, field: "data", number: data[i] };
    const { grads } = findPass(0), k = grads.findLastIndex((x) => !isFinite(x ?? 0));
    return k < 0 ? null : { i: k, field: "gradient", number: grads[k] };
  }

  update();
  return {
    graph, spec, runs, senders: passes[0][0], update, write, findTrouble, isWritten, paths: findFactsOfPaths,
    find: (run) => finders[run], grad: (i) => findPass(0).grads[i], contribution: (j) => findPass(0).sent[j],
  };
}
