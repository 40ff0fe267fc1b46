// A graph that computes: its data, its local derivatives, and backward passes, from the rows of the
// rule table. A node is {data} (a leaf), {inputs, row}, or {of, index}: one of several results.
// A node whose row is not known is {inputs, data, slopes}, with numbers that do not change.
// Constants have the field `constant`. Nodes are in topological order; the root is the last.

function createGraph(nodes, rows) {
  const root = nodes.length - 1;
  const inputsOf = nodes.map(({ inputs, of }) => inputs ?? (of === undefined ? [] : [of]));
  const operations = nodes.map((node) => (node.inputs ? rows[node.row] ?? createFixedRow(node) : undefined));
  const isShared = operations.map((row) => row !== undefined && "pullback" in row); // it has several results
  const isConstant = nodes.map(({ constant }) => Boolean(constant));
  const data = nodes.map((node) => readNumbers(node.data)), slopes = [];

  function compute() {
    nodes.forEach(({ inputs, of, index }, i) => {
      if (of !== undefined) data[i] = data[of][index];
      if (!inputs) return;
      const xs = inputs.map((x) => data[x]), outs = operations[i].forward(xs);
      data[i] = isShared[i] ? outs : outs[0];
      if (!isShared[i]) slopes[i] = operations[i].slopes(outs, xs);
    });
  }

  const pull = (i, gs) => operations[i].pullback(gs.map((g) => g ?? 0), data[i], nodes[i].inputs.map((x) => data[x]));
  const unit = (i, index) => data[i].map((_, k) => (k === index ? 1 : 0));

  // Returns the local derivatives of a value; those of one of several results are for the inputs of
  // their operation.
  function partials(i) {
    const { of, index } = nodes[i];
    return of === undefined ? slopes[i] ?? [] : pull(of, unit(of, index));
  }

  // Returns the derivative of each result of an operation for its k-th input.
  const partialsOfResults = (i, k) => data[i].map((_, index) => pull(i, unit(i, index))[k]);

  // Returns what a node sends to its inputs: {node, k, to, upstream, local, sent}. One of several
  // results sends to its operation a list, in which only its own entry is a number.
  function send(node, upstream) {
    const { of, index } = nodes[node], inputs = inputsOf[node], passed = [];
    const pulled = isShared[node] && pull(node, upstream), isPart = of !== undefined;
    for (let k = 0; k < inputs.length; k++) {
      const to = inputs[k], local = pulled || isPart ? undefined : slopes[node][k];
      if (isConstant[to]) continue;
      const sent = isPart ? data[of].map((_, i) => (i === index ? upstream : null)) : pulled ? pulled[k] : upstream * local;
      passed.push({ node, k, to, upstream, local, sent, before: undefined, after: undefined });
    }
    return passed;
  }

  // Runs a backward pass in which nodes send in a given order. Returns its contributions, each with
  // the gradient of its receiver before and after it, and the gradients at the end.
  function runPass(senders, accumulates = true) {
    const grads = nodes.map((_, i) => (isShared[i] ? data[i].map(() => null) : 0)), passed = [];
    grads[root] = 1;
    for (const node of senders) {
      for (const contribution of send(node, grads[node])) {
        const { to, sent } = contribution;
        contribution.before = grads[to];
        grads[to] = accumulates || isShared[to] ? addParts(grads[to], sent) : sent;
        contribution.after = grads[to];
        passed.push(contribution);
      }
    }
    return { sent: passed, grads };
  }

  // Runs a backward pass from given gradients; returns the gradients that are reached, by their nodes.
  function spread(seeds) {
    const grads = { ...seeds };
    for (let i = root; i >= 0; i -= 1) {
      if (!(i in grads)) continue;
      for (const { to, sent } of send(i, grads[i])) grads[to] = to in grads ? addParts(grads[to], sent) : sent;
    }
    return grads;
  }

  compute();
  const canChange = operations.every((row, i) => !row || row === rows[nodes[i].row]);
  return { canChange, nodes, inputsOf, isShared, data, root, compute, partials, partialsOfResults, runPass, spread };
}

// Returns a row of which only the numbers at one point are known.
function createFixedRow({ data, slopes }) {
  const outs = readNumbers(data), locals = readNumbers(slopes);
  if (!Array.isArray(outs)) return { forward: () => [outs], slopes: () => locals };
  return { forward: () => outs, pullback: (gs) => locals.map((row) => (row ?? []).reduce((sum, x, i) => sum + gs[i] * x, 0)) };
}

// Returns numbers of the page's data, in which texts stand for inf and nan.
function readNumbers(x) {
  if (Array.isArray(x)) return x.map(readNumbers);
  return typeof x === "string" ? { inf: Infinity, "-inf": -Infinity, nan: NaN }[x] : x;
}

// Adds gradients; of an operation with several results, one for each, or null if it has none.
function addParts(x, y) {
  if (!Array.isArray(x)) return x + y;
  return x.map((a, i) => (a === null ? y[i] : y[i] === null ? a : a + y[i]));
}
