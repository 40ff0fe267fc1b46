// A view that computes its numbers. Its frames and facts are texts with places for numbers; see
// numbers.py and box_numbers.py for the keys of the places. The leaves of an opened part are linked to
// the graph of another view, `source`; the inside of a box shares that graph.

const MOST_PATHS = 5; // listed paths of a gradient

function createLive({ graph: packed, runs: templates, facts }, rows, source) {
  const { spec, boxes, arrays, is_shared: isShared } = packed, { nodes, passes } = isShared ? source : packed;
  const isLinked = isShared || nodes.some(({ link }) => link);
  const graph = isShared ? source.graph : arrays ? createArrayGraph(nodes, rows, arrays.single) : createGraph(nodes, rows);
  const groups = boxes && createGroups(graph, boxes), texter = arrays && createArrayTexts(packed, graph, rows);
  let results = [], texts = [], described = [], table = null, written = null;

  // Computes all numbers, after those of linked leaves if it follows the source.
  function update(follows = true) {
    if (!isShared) {
      if (source && follows) nodes.forEach(({ link }, i) => { if (link) graph.data[i] = readLink(link); });
      (elements ?? graph).compute();
    }
    results = [];
    groups?.update(() => findPass(0));
    texter?.update(() => passes.map((_, run) => findPass(run)));
    texts = passes.map(() => new Map());
    table = null;
    described = [];
  }

  // Returns the numbers of a pass, which is run when they are first used.
  function findPass(run) {
    return (results[run] ??= isShared ? source.findPass(run) : graph.runPass(passes[run][0], passes[run][1]));
  }

  // Returns the number of a linked leaf: the data or the gradient of a node, or a sum of products.
  function readLink([kind, ...places]) {
    const { data } = source.graph;
    if (kind === "g") return source.grad(places[0]);
    return kind === "d" ? data[places[0]] : places.reduce((sum, i, k) => (k % 2 ? sum + data[places[k - 1]] * data[i] : sum), 0);
  }

  // Returns the place in the source of a leaf that is one there, too.
  function linked(i) {
    if (isShared) return nodes[i] && !graph.inputsOf[i].length ? i : undefined;
    const [kind, place] = nodes[i]?.link ?? [];
    return source && kind === "d" && !source.graph.inputsOf[place].length ? place : undefined;
  }

  function number(run, key) {
    if (key[0] === "d") return graph.data[key.slice(1)];
    const [i, k, index] = key.slice(1).split(".").map(Number), sent = findPass(run).sent[i];
    switch (key[0]) {
      case "g": return findPass(0).grads[i];
      case "p": return index === undefined ? graph.partials(i)[k] : graph.partialsOfResults(i, k)[index];
      case "u": return k === undefined ? sent.upstream : sent.upstream[k] ?? 0;
      case "o": return source ? source.grad(nodes[i].link[1]) - findPass(0).grads[i] : 0;
      case "s": return sent.sent;
      case "b": return sent.before;
      case "a": return sent.after;
      default: return groups.number(key[0].toLowerCase(), i, k);
    }
  }

  const write = texter?.format ?? ((x) => formatNumber(x, spec));
  const writeShort = (x) => formatInCircle(x, spec);
  const writeKey = (run, key) => texter?.write(key) ?? (/[A-Z]/.test(key[0]) ? writeShort : write)(number(run, key));

  // Returns a function that maps keys to formatted numbers of a run.
  const finders = passes.map((_, run) => (key) => {
    if (!texts[run].has(key)) texts[run].set(key, writeKey(run, key));
    return texts[run].get(key);
  });

  // A frame with the numbers of this moment.
  class Frame {
    constructor(template, run) {
      this.template = template;
      this.find = finders[run];
      this.describe = () => ({});
      for (const name of ["kind", "marked", "node", "to", "where", "lines", "cells"]) this[name] = template[name];
    }
    get title() { return this.describe().title ?? fillText(this.template.title, this.find); }
    get note() { return this.describe().note ?? fillText(this.template.note ?? "", this.find); }
    get marks() { return this.describe().marks; }
    get alarm() { return this.describe().alarm; }
    get data() { return this.fill(this.template.data); }
    get grad() { return this.fill(this.template.grad); }
    get elements() { return texter?.sortElements(this.template.elements ?? {}); }
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
    return (described[run] ??= describeMistake(graph, findPass(0), findPass(run), { accumulates, reason }, write, compare));
  }

  const compare = texter ? texter.compare(writeApart) : writeApart;

  // Writes two numbers with so many digits that two that differ read differently.
  function writeApart(x, y) {
    for (const form of [spec, ...[5, 6, 7, 8, 9, 10, 11, 12, 13].map((digits) => `.${digits}g`)]) {
      const pair = [x, y].map((z) => formatNumber(z, form));
      if (pair[0] !== pair[1]) return pair;
    }
    return [x, y].map((z) => formatNumber(z, spec));
  }

  // Returns the paths of a value's gradient: each a product, the next value, the input by which the
  // path enters it, the rank of the rest among its paths, and a text.
  function findFactsOfPaths(i) {
    table ??= arrays ? graph.findPaths(MOST_PATHS) : findPaths(graph, MOST_PATHS);
    const { best, count, gradient } = table[i], all = BigInt(best.length) === count;
    const routes = shortenRoutes(best.map((path) => nameRoute(i, path)));
    return {
      gradient: write(gradient),
      paths: best.length && i !== graph.root && !graph.isShared[i] ? best.map(({ product, to, k, rank }, n) => [write(product).replace(" ", "\u00a0"), to, k, rank, routes[n]]) : undefined,
      path_count: count < 10n ** 12n ? count.toLocaleString("en-US") : `10^${String(count).length - 1}`,
      rest: write(all ? 0 : (arrays ? subtractArrayPaths : subtractPaths)(table[i])),
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
  // They do not contain the leaves of a box; one that is `fixed` decides how a formula is written.
  function isWritten(i) {
    written ??= new Set(JSON.stringify([templates, facts]).match(/d\d+(?=\ufdd1)/g));
    return written.has(`d${i}`) || (boxes && !nodes[i].fixed && !/^v/.test(facts[i].id));
  }

  // Returns the first value that is not finite although its inputs are, or else whose gradient is not.
  function findTrouble() {
    const isFinite = (x) => [x].flat().every(Number.isFinite), { data, inputsOf } = graph;
    const i = data.findIndex((x, i) => !isFinite(x) && inputsOf[i].every((k) => isFinite(data[k])));
    if (i >= 0) return { i, field: "data", number: data[i] };
    const { grads } = findPass(0), k = grads.findLastIndex((x) => !isFinite(x ?? 0));
    return k < 0 ? null : { i: k, field: "gradient", number: grads[k] };
  }

  const elements = arrays && createElements(graph, facts, { senders: passes[0][0], write });
  update();
  return {
    graph, nodes, passes, findPass, elements, describeCells: texter?.describeCells, spec, runs, senders: passes[0][0], update, write, findTrouble, isWritten, isShared, isLinked, linked, hasBoxes: Boolean(boxes), paths: boxes ? () => ({}) : findFactsOfPaths,
    isInGroup: (group, i) => boxes.groups[group].includes(i),
    group: (kind, i) => groups.number(kind, i, (boxes.stages.length || 1) - 1),
    find: (run) => finders[run], grad: (i) => findPass(0).grads[i], contribution: (j) => findPass(0).sent[j],
  };
}
