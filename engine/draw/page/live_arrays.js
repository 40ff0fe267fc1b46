// A view of Arrays that computes its numbers. Its parts are the graph, whose rows are recorded element
// by element; the texts of its numbers; and the elements, as numbers that can be changed.
// engine/draw/arrays/live.py describes the data. An array is a list of its elements, row by
// row; one without axes is a number.

// Returns the graph, with the functions of graph.js.
function createArrayGraph(nodes, rows, isSingle) {
  const root = nodes.length - 1, inputsOf = nodes.map(({ inputs }) => inputs ?? []);
  const round = isSingle ? Math.fround : (x) => x;
  const restore = (i, numbers) => (nodes[i].shape.length ? numbers : numbers[0]);
  const data = nodes.map((node, i) => node.data && restore(i, readNumbers(node.data)));
  const full = (i, x) => restore(i, Array(countElements(nodes[i].shape)).fill(x));

  const compute = () => evaluate(data);

  // Computes the other nodes from the leaves of a list.
  function evaluate(data) {
    nodes.forEach(({ inputs, row }, i) => {
      if (inputs) data[i] = restore(i, rows[row].forward(inputs.flatMap((x) => data[x])));
    });
  }

  const free = inputsOf.map((inputs) => inputs.map((to, k) => ({ to, k })).filter(({ to }) => !nodes[to].constant));

  // Returns what a node sends to its inputs for a gradient: {node, k, to, upstream, sent}.
  function send(node, upstream) {
    if (!nodes[node].inputs || nodes[node].constant) return [];
    const xs = inputsOf[node].flatMap((x) => data[x]);
    const pulled = rows[nodes[node].row].pullback([upstream].flat(), [data[node]].flat(), xs);
    let start = 0;
    return free[node].map(({ to, k }) => {
      const end = start + countElements(nodes[to].shape), sent = restore(to, pulled.slice(start, end));
      start = end;
      return { node, k, to, upstream, sent };
    });
  }

  const add = (x, y) => (Array.isArray(x) ? x.map((a, i) => round(a + y[i])) : round(x + y));
  const zero = (i) => full(i, 0), one = full(root, 1);

  // Runs a backward pass, as in graph.js.
  function runPass(senders, accumulates = true) {
    const grads = nodes.map((_, i) => zero(i)), passed = [];
    grads[root] = one;
    for (const node of senders) {
      for (const contribution of send(node, grads[node])) {
        const { to, sent } = contribution, before = grads[to];
        grads[to] = accumulates ? add(before, sent) : sent;
        passed.push({ ...contribution, before, after: grads[to] });
      }
    }
    return { sent: passed, grads };
  }

  function spread(seeds) {
    const grads = { ...seeds };
    for (let i = root; i >= 0; i -= 1) {
      if (!(i in grads)) continue;
      for (const { to, sent } of send(i, grads[i])) grads[to] = to in grads ? add(grads[to], sent) : sent;
    }
    return grads;
  }

  // Returns the largest paths, as in paths.js; their products are arrays, and their sizes norms.
  function findPaths(most) {
    const { grads } = runPass(nodes.map((_, i) => root - i)), table = nodes.map(() => ({ count: 0n, best: [] }));
    const size = ({ product }) => { const x = measureSize(product); return x !== x ? -1 : x; };
    table[root] = { count: 1n, best: [{ product: one, to: -1, k: 0, rank: 0 }] };
    for (let i = root; i >= 0; i -= 1) {
      const best = table[i].best.sort((a, b) => size(b) - size(a)).slice(0, most);
      table[i] = { ...table[i], best };
      const pulled = best.map(({ product }) => send(i, product));
      free[i].forEach(({ to, k }, n) => {
        table[to].count += table[i].count;
        table[to].best.push(...pulled.map((sent, rank) => ({ product: sent[n].sent, to: i, k, rank })));
      });
    }
    return table.map((entry, i) => ({ ...entry, gradient: grads[i] }));
  }

  compute();
  return {
    canChange: true, nodes, inputsOf, isShared: nodes.map(() => false), data, root, one, zero, round, rounding: isSingle ? 1e-5 : 1e-12,
    compute, evaluate, runPass, spread, findPaths,
  };
}

const countElements = (shape) => shape.reduce((n, length) => n * length, 1);

// Returns the gradient of an array without the products of its largest paths.
const subtractArrayPaths = ({ gradient, best }) => best.reduce((rest, { product }) => subtract(rest, product), gradient);

// ------------------------------------------------------------------------------------------- texts

// Writes numbers and matrices in the places of texts. A key is a kind and slots (see recorded.py).
function createArrayTexts({ arrays, spec }, graph, rows) {
  const { shown, program, short } = arrays, place = new Map(shown.map((slot, n) => [slot, n])), lists = new Map();
  let find = null, sources = null, computed = [], cells = new Map();

  // `findPasses` runs all passes. The numbers are computed when one is first read.
  function update(findPasses) {
    find = findPasses;
    sources = null;
    cells = new Map();
  }

  // Reads the numbers of all nodes and contributions, and computes those of texts from them.
  function compute() {
    sources = graph.data.flat();
    for (const { sent } of find()) {
      for (const { upstream, sent: amount, before, after } of sent) {
        for (const x of [upstream, amount, before, after]) sources.push(...(Array.isArray(x) ? x : [x]));
      }
    }
    computed = rows[program](sources);
  }

  function read(slots) {
    if (!sources) compute();
    return listSlots(slots).map((s) => (place.has(s) ? computed[place.get(s)] : sources[s]));
  }

  function listSlots(text) {
    if (!lists.has(text)) {
      lists.set(text, text.split(",").flatMap((part) => {
        const [first, last = first] = part.split("-").map(Number);
        return Array.from({ length: last - first + 1 }, (_, n) => first + n);
      }));
    }
    return lists.get(text);
  }

  const format = (x) => (Array.isArray(x) ? `norm ${formatNumber(measureSize(x), spec)}` : formatNumber(x, spec));

  // Writes two gradients so that they differ, by their norms or else by their distance.
  const compare = (apart) => (x, y) => {
    if (!Array.isArray(x)) return apart(x, y);
    const [a, b] = apart(measureSize(x), measureSize(y)).map((text) => `norm ${text}`);
    return a === b ? [`${a}, off by ${format(subtract(x, y))},`, b] : [a, b];
  };

  function write(key) {
    const [, kind, columns, slots] = /^([smnlv]?)(?:(\d+):)?(.*)$/.exec(key), numbers = read(slots);
    switch (kind) {
      case "m": return writeMatrix(numbers, Number(columns));
      case "n": return format(numbers);
      case "v": return numbers[0] > 0 ? "" : `${fillMath("<mo form=\"prefix\">−</mo>\ufdd0(\ufdd1", () => formatNumber(numbers[0], spec))}<mo>=</mo>`;
      case "l": return formatNumber(measureSize(numbers), spec);
      case "s": return formatNumber(numbers[0], short).replace("inf", "∞");
      default: return formatNumber(numbers[0], spec);
    }
  }

  function writeMatrix(numbers, columns) {
    const { texts, exponent } = formatTogether(numbers, spec, arrays), parts = [];
    for (let i = 0; i < texts.length; i += columns) {
      parts.push(`<mtr>${texts.slice(i, i + columns).map((text) => `<mtd><mn>${text}</mn></mtd>`).join("")}</mtr>`);
    }
    const factor = exponent ? `<msup><mn>10</mn><mn>${String(exponent).replace("-", "−")}</mn></msup><mo>⋅</mo>` : "";
    return `${factor}<mrow class="matrix"><mo>[</mo><mtable>${parts.join("")}</mtable><mo>]</mo></mrow>`;
  }

  // Returns the fields of a matrix in the drawing, which a frame gives by its slots.
  function describeCells({ slots, columns, has_texts: hasTexts, levels, ...others }) {
    if (!slots) return { levels, ...others };
    const id = `${slots} ${hasTexts}`;
    if (!cells.has(id)) {
      const numbers = read(slots);
      const { texts, exponent } = hasTexts ? formatTogether(numbers, spec, arrays) : {};
      const coarse = hasTexts ? numbers : shrinkTable(numbers, columns, ...arrays.map);
      const title = hasTexts ? (exponent ? formatFactor(exponent) : undefined) : formatNumber(measureSize(numbers), spec);
      cells.set(id, { levels: measureLevels(coarse, arrays.levels), texts, title });
    }
    return cells.get(id);
  }

  // Returns the elements that can be followed, the largest first.
  function sortElements(elements) {
    const entries = Object.entries(elements), sizes = new Map(entries.map(([key, [, , slot]]) => [key, slot ? Math.abs(read(slot)[0]) : 0]));
    entries.sort(([a], [b]) => (sizes.get(b) > sizes.get(a) ? 1 : sizes.get(b) < sizes.get(a) ? -1 : 0));
    return Object.fromEntries(entries.some(([, [, , , isAlone]]) => isAlone) ? entries.slice(0, 1) : entries);
  }

  return { update, format, compare, write, sortElements, describeCells };
}

// Returns the numbers of an array as texts with equal decimals, and the exponent of a common factor,
// as format_together in matrices.py.
function formatTogether(numbers, spec, { default: isDefault, digits: most }) {
  if (!isDefault) return { texts: numbers.map((x) => formatNumber(x, spec)), exponent: 0 };
  const finite = numbers.filter(Number.isFinite), largest = finite.reduce((size, x) => Math.max(size, Math.abs(x)), 0);
  let exponent = 0, digits = 0;
  if (finite.some((x) => !Number.isInteger(x)) || largest >= 1e4) {
    exponent = Math.max(-300, Math.floor(Math.log10(largest)));
    digits = most - 1;
    if (exponent >= -3 && exponent < 4) [digits, exponent] = [Math.max(0, digits - exponent), 0];
  }
  const scaled = exponent ? numbers.map((x) => x / Number(`1e${exponent}`)) : numbers;
  const isShort = (x) => {
    const rounded = Number.isFinite(x) ? Math.sign(x) * Number(writeFixed(Math.abs(x), digits - 1)) : x;
    return x === rounded || x !== x || Math.abs(x - rounded) <= 1e-6 * Math.abs(x);
  };
  while (digits && scaled.every(isShort)) digits -= 1;
  return { texts: scaled.map((x) => (x === 0 ? "0" : formatNumber(x, `.${digits}f`).replace("inf", "∞"))), exponent };
}

const formatFactor = (exponent) => `×10${String(exponent).replace(/./g, (x) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(x)])}`;

// Returns the level of colour of each number, relative to the largest, as measure_levels in matrices.py.
function measureLevels(numbers, levels) {
  const scale = numbers.reduce((most, x) => (Number.isFinite(x) ? Math.max(most, Math.abs(x)) : most), 0);
  return numbers.map((x) => {
    const size = Math.abs(x), share = size === Infinity ? 1 : scale ? size / scale : 0 * size;
    return x !== x ? 2 * levels + 1 : levels + Math.sign(x) * rint(levels * share);
  }).join("");
}

// Returns a table of blocks of a larger one, row by row, as shrink in matrices.py.
function shrinkTable(numbers, columns, mostRows, mostColumns) {
  const rows = numbers.length / columns;
  if (rows <= mostRows && columns <= mostColumns) return numbers;
  const split = (n, most) => Array.from({ length: Math.min(n, most) + 1 }, (_, i) => (i === most ? n : Math.floor(i * (n / Math.min(n, most)))));
  const [tops, lefts] = [split(rows, mostRows), split(columns, mostColumns)], blocks = [];
  for (let r = 0; r + 1 < tops.length; r += 1) {
    for (let c = 0; c + 1 < lefts.length; c += 1) {
      const block = numbers.filter((_, i) => {
        const [row, column] = [Math.floor(i / columns), i % columns];
        return row >= tops[r] && row < tops[r + 1] && column >= lefts[c] && column < lefts[c + 1];
      });
      const sum = block.reduce((total, x) => total + x, 0), squares = block.reduce((total, x) => total + x * x, 0);
      blocks.push(copysign(Math.sqrt(squares / block.length), sum));
    }
  }
  return blocks;
}

// ---------------------------------------------------------------------------------------- elements

// The elements of all arrays as a graph of numbers, with which changes.js, edit.js, tangent.js and
// downhill.js work as with one of Values: those of leaves can be changed, and the root is the last.
function createElements(graph, facts, { senders, write }) {
  const entries = graph.nodes.flatMap(({ fixed, shape }, i) => {
    return Array.from({ length: fixed ? 0 : countElements(shape) }, (_, e) => ({ i, e, index: findIndex(shape, e) }));
  });
  const isLeaf = ({ i }) => !graph.nodes[i].inputs, places = graph.nodes.map(() => []);
  entries.forEach(({ i }, k) => places[i].push(k));
  const read = (x, e) => (Array.isArray(x) ? x[e] : x);
  const data = entries.map(({ i, e }) => read(graph.data[i], e));

  // Writes the leaves into the arrays of a list.
  function store(arrays, numbers) {
    entries.forEach((entry, k) => {
      const { i, e } = entry, x = graph.round(numbers[k]);
      if (!isLeaf(entry)) return;
      if (Array.isArray(arrays[i])) arrays[i][e] = x;
      else arrays[i] = x;
    });
  }

  function compute() {
    store(graph.data, data);
    graph.compute();
    entries.forEach((entry, k) => { if (!isLeaf(entry)) data[k] = read(graph.data[entry.i], entry.e); });
  }

  // Returns a function that computes the root from one element.
  function createProbe(leaf) {
    const arrays = graph.data.map((x) => (Array.isArray(x) ? [...x] : x)), numbers = [...data];
    return (x) => {
      numbers[leaf] = x;
      store(arrays, numbers);
      graph.evaluate(arrays);
      return read(arrays[graph.root], 0);
    };
  }

  const list = (arrays) => entries.map(({ i, e }) => read(arrays[i], e));
  const own = {
    nodes: entries.map((entry) => (isLeaf(entry) ? { constant: graph.nodes[entry.i].constant } : { inputs: [] })),
    canChange: true, data, root: entries.length - 1, compute, createProbe,
    runPass: () => ({ grads: list(graph.runPass(senders).grads) }),
  };
  const describe = ({ i, index }) => {
    if (!facts[i].name) return {}; // computed in a box
    const { name, kind, math } = facts[i], id = findArrayId(facts[i], i), inside = index.map((n) => `<mn>${n}</mn>`).join("<mo>,</mo>");
    if (!index.length) return { ...facts[i], id };
    return { name: `${name}[${index}]`, kind: kind.split(",")[0], math: `<mrow>${math}<mo>[</mo>${inside}<mo>]</mo></mrow>`, id: `${id} ${findCell(index)}` };
  };
  return {
    facts: entries.map(describe), compute, entries,
    placesOf: (i) => places[i],
    nest: (i, numbers) => nestLists([numbers].flat(), graph.nodes[i].shape),
    createLive: (live) => ({
      graph: own, senders, write, update: () => {}, isWritten: () => true,
      grad: (k) => read(live.grad(entries[k].i), entries[k].e),
    }),
  };
}

// Returns a view of the elements of the arrays in a view: these are the numbers that change.
const openElements = ({ live }) => ({ live: live.elements.createLive(live), facts: live.elements.facts });

// Returns the id of an array. An array in a box has an id of its own, which the drawing lacks.
const findArrayId = ({ id }, i) => (/^b/.test(id) ? `${id}.${i}` : id);

// Returns what edit.js needs of a drawing of arrays: an element has the id "v0 1,2", with its row and
// column. `select(i)` selects an array.
function createElementPage(view, select) {
  const { live: { elements }, arrays, picture } = view;
  const isArray = (id) => id?.includes(" ");
  return {
    parts: (id) => (isArray(id) ? arrays.findNumbers(id) : picture.parts(id)),
    idAt: (element, event) => arrays.findElement(element, event) ?? picture.idAt(element),
    isNumber: (element) => element.closest(".panel") !== null || picture.isNumber(element),
    select: (k) => {
      if (!elements.facts[k]) return;
      const { id } = elements.facts[k];
      if (isArray(id)) arrays.choose(id);
      select(elements.entries[k].i);
    },
    selected: () => findChosen(view, view.inspector.selected()),
    boxes: view.facts.filter(({ leaves }) => leaves).map(({ id, leaves }) => [id, leaves.flatMap(elements.placesOf)]),
    group: (k) => elements.placesOf(elements.entries[k].i), // the elements that are unlocked together
  };
}

// Returns the place of the chosen element of a leaf, its first one if none is.
function findChosen({ live: { elements }, facts, arrays }, i) {
  const places = elements.placesOf(i) ?? [];
  return places.find((k) => elements.facts[k].id === arrays.chosen(findArrayId(facts[i], i))) ?? places[0] ?? -1;
}

// Returns the controls of an array: those of the chosen element, which `create(k)` makes, with a list of
// all elements. The controls of a box are those of its leaves; `box` is the place of the box.
function createArrayControls(view, i, create, box) {
  const { facts, editor, live: { elements } } = view, { leaves } = facts[i] ?? {};
  if (leaves) return listControls(leaves, (k) => createArrayControls(view, k, editor.createControls, i), (k) => facts[k].name);
  const places = elements.placesOf(i) ?? [], chosen = findChosen(view, i), controls = chosen < 0 ? null : create(chosen);
  view.arrays.pick(controls && box === undefined ? facts[i].id : "");
  if (!controls || places.length < 2) return controls;
  const pick = document.createElement("select");
  pick.className = "elements";
  pick.setAttribute("aria-label", `Element of ${facts[i].name}`);
  pick.append(...places.map((k) => new Option(elements.facts[k].name, k, k === chosen, k === chosen)));
  pick.addEventListener("change", () => {
    editor.choose(Number(pick.value));
    if (box !== undefined) view.inspector.select(box);
    [...view.panel.querySelectorAll(".elements")].find(({ ariaLabel }) => ariaLabel === pick.ariaLabel)?.focus(); // the controls were created again
  });
  (controls.matches(".edit") ? controls : controls.querySelector(".edit")).prepend(pick);
  return controls;
}

// Returns the index of an element of an array.
function findIndex(shape, e) {
  const index = [];
  for (const n of [...shape].reverse()) {
    index.unshift(e % n);
    e = Math.floor(e / n);
  }
  return index;
}

// Returns the row and column of an element in the drawing, as find_place in elements.py. An array with
// more axes is drawn without numbers.
const findCell = (index) => (index.length > 2 ? index.join(".") : [0, 0, ...index].slice(-2).join(","));

// Returns an array as nested lists.
function nestLists(numbers, shape) {
  if (!shape.length) return Array.isArray(numbers) ? numbers[0] : numbers;
  const [n, ...inner] = shape, size = countElements(inner);
  return Array.from({ length: n }, (_, i) => (inner.length ? nestLists(numbers.slice(i * size, (i + 1) * size), inner) : numbers[i]));
}
