// The paths of gradients: the largest products of local derivatives from a value to the root, found
// in one pass over the graph without listing the others (see engine/watch/paths.py).

const MOST_STEPS = 6; // names in a route, unless more are required to tell it from others

// Returns for each node its gradient, the number of its paths, and the largest: each a product, the
// next node `to`, the input k by which it enters that node, and the rank of the rest among its paths.
function findPaths(graph, most) {
  const { nodes, inputsOf, isShared, root } = graph, { grads } = graph.runPass(nodes.map((_, i) => root - i));
  const table = nodes.map(() => ({ count: 0n, best: [] }));
  table[root] = { count: 1n, best: [{ product: 1, to: -1, k: 0, rank: 0 }] };
  const size = ({ product }) => (product !== product ? -1 : Math.abs(product)); // nan is the last
  for (let i = root; i >= 0; i -= 1) {
    const best = table[i].best.sort((a, b) => size(b) - size(a)).slice(0, most);
    table[i] = { ...table[i], best };
    const slopes = nodes[i].of === undefined && !isShared[i] ? graph.partials(i) : null;
    inputsOf[i].forEach((x, k) => {
      if (nodes[x].constant) return;
      const ofResults = isShared[i] && graph.partialsOfResults(i, k);
      table[x].count += table[i].count;
      table[x].best.push(...best.map((path, rank) => {
        if (isShared[i]) return { ...path, product: path.product * ofResults[nodes[path.to].index], k, to: path.to, rank: path.rank };
        return { product: slopes ? path.product * slopes[k] : path.product, to: i, k, rank };
      }));
    });
  }
  return table.map((entry, i) => ({ ...entry, gradient: grads[i] }));
}

// Returns the gradient without the products of its largest paths.
const subtractPaths = ({ gradient, best }) => addExactly([gradient, ...best.map(({ product }) => -product)]);

// Returns the sum of numbers, rounded once (Shewchuk 1997, "Adaptive precision floating-point arithmetic").
function addExactly(numbers) {
  if (!numbers.every(Number.isFinite)) return numbers.reduce((sum, x) => sum + x, 0);
  let parts = [];
  for (let x of numbers) {
    const next = [];
    for (let y of parts) {
      if (Math.abs(x) < Math.abs(y)) [x, y] = [y, x];
      const high = x + y, low = y - (high - x);
      if (low) next.push(low);
      x = high;
    }
    parts = [...next, x];
  }
  return parts.reduceRight((sum, x) => sum + x, 0);
}

// Returns a text for each route, a list of names; of a long one the ends, and where it differs from the others.
function shortenRoutes(routes) {
  const texts = routes.map((route) => writeRoute(route, chooseSteps(route, routes)));
  return texts.map((text, i) => (texts.filter((other) => other === text).length > 1 ? writeRoute(routes[i], new Set(routes[i].keys())) : text));
}

function chooseSteps(route, routes) {
  if (route.length <= MOST_STEPS) return new Set(route.keys());
  const places = new Set([0, route.length - 1]);
  for (const other of routes) {
    const i = route.findIndex((name, i) => i < other.length && name !== other[i]);
    if (i >= 0) places.add(i);
  }
  for (const i of [1, route.length - 2, 2, 3]) if (places.size < MOST_STEPS) places.add(i);
  return places;
}

function writeRoute(route, places) {
  return [...places].sort((a, b) => a - b).map((i) => (i > 0 && !places.has(i - 1) ? "… → " : "") + route[i]).join(" → ");
}
