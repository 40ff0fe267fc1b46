// The numbers of a film: weights in 8 bits, and the passes of samples, by the place of an epoch.

function readBytes(text) {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

// The weights of all epochs in 8 bits. Their bytes are differences to the epoch before, modulo 256.
class Weights {
  constructor({ arrays, scales }, bytes, epochs) {
    this.scales = new Float32Array(readBytes(scales).buffer);
    const size = arrays.reduce((sum, { rows, columns }) => sum + rows * columns, 0), all = inflate(readBytes(bytes));
    this.epochs = Array.from({ length: epochs }, (_, n) => new Int8Array(all.buffer, all.byteOffset + n * size, size));
    for (let n = 1; n < epochs; n += 1) for (let k = 0; k < size; k += 1) this.epochs[n][k] += this.epochs[n - 1][k];
    this.arrays = {};
    let start = 0, row = 0;
    for (const { name, rows, columns } of arrays) {
      this.arrays[name] = { name, rows, columns, start, row };
      start += rows * columns;
      row += rows;
    }
  }

  // The i-th row of an array in units of its scale.
  row({ start, columns }, n, i) {
    return this.epochs[n].subarray(start + i * columns, start + (i + 1) * columns);
  }

  // All numbers of an array.
  read(array, n) {
    const rows = Array.from({ length: array.rows }, (_, i) => [...this.row(array, n, i)].map((x) => x * this.scale(array, i)));
    return array.rows === 1 ? rows[0] : rows;
  }

  scale({ row }, i) {
    return this.scales[row + i];
  }
}

// The passes of a sample: the changes at each epoch to the page of the first pass of the film.
class Passes {
  constructor(overlay, { changes, arrays, numbers, losses, outputs }) {
    Object.assign(this, { overlay, changes, described: arrays, numbers, losses, outputs });
    this.known = {};
  }

  // Opens the pass of an epoch. Returns its stepper.
  open(n) {
    return this.overlay.open(applyChanges(this.overlay.unpack(), this.changes[n]).views, "film");
  }

  loss(n) {
    return toNumber(this.losses[n]);
  }

  outputsAt(n) {
    return this.outputs[n].map(toNumber);
  }

  // The stored arrays of an epoch: {name: {shape, data, grad}}.
  arrays(n) {
    if (this.known.n === n) return this.known.arrays;
    const { buffer } = readBytes(this.numbers[n]), arrays = {};
    let start = 0;
    for (const [name, shape, type] of this.described) {
      const Numbers = { "<f4": Float32Array, "<f8": Float64Array }[type], size = shape.reduce((a, b) => a * b, 1), bytes = size * Numbers.BYTES_PER_ELEMENT;
      const read = () => new Numbers(buffer.slice(start, (start += bytes)));
      arrays[name] = { shape, data: read(), grad: read() };
    }
    this.known = { n, arrays };
    return arrays;
  }
}

// The pass of a sample that the page computes, with the weights of the shown epoch.
class ComputedPass {
  constructor(graphs, sample) {
    Object.assign(this, { graphs, sample });
  }

  // Opens the graph of a neuron, or that of the loss. Returns its stepper.
  open(n, neuron = null) {
    return this.graphs.open(neuron, this.sample);
  }

  loss() {
    return this.graphs.compute(this.sample);
  }

  outputsAt() {
    this.graphs.compute(this.sample);
    return this.graphs.data.model.outputs.map((r) => this.graphs.probe.V[r]);
  }

  arrays() {
    return {};
  }
}

// Applies changes as `find_changes` in passes.py describes them.
function applyChanges(old, change) {
  if (change === null || change === undefined) return old;
  if (Array.isArray(change)) return change[0];
  const copy = Array.isArray(old) ? [...old] : { ...old };
  for (const [key, part] of Object.entries(change)) copy[key] = applyChanges(old[key], part);
  return copy;
}

// A number of the page's data, in which texts stand for inf and nan.
const toNumber = (x) => (typeof x === "string" ? { inf: Infinity, "-inf": -Infinity, nan: NaN }[x] : x);
