// A recorded program and its numbers. Each node has a row with one lane for each sample.
class Machine {
  constructor(program, numbers) {
    this.program = program;
    this.steps = program.steps.map(([kernel, table]) => [KERNELS[kernel], Int32Array.from(table)]);
    this.U = numbers; // of parameters, then of constants
    this.V = this.G = new Float64Array(0);
    this.n = 0;
  }

  // The number of lanes of the passes that follow.
  resize(n) {
    this.n = n;
    if (this.V.length >= n * this.program.rows) return;
    this.V = new Float64Array(n * this.program.rows);
    this.G = new Float64Array(n * this.program.rows);
  }

  forward() {
    for (const [kernel, table] of this.steps) kernel.forward(this.n, this.V, this.U, table);
  }

  // Adds to the gradients D of parameters, from the gradients of outputs that `seed` writes into G.
  backward(D, seed) {
    this.G.fill(0, 0, this.n * this.program.rows);
    seed(this.G);
    for (let k = this.steps.length - 1; k >= 0; k -= 1) {
      const [kernel, table] = this.steps[k];
      kernel.backward(this.n, this.V, this.G, this.U, D, table);
    }
  }

  row(r) {
    return this.V.subarray(r * this.n, (r + 1) * this.n);
  }
}

// The numbers that a program reads: those of parameters, if there are any, then its constants.
function numbersOf(program, parameters = []) {
  return Float64Array.from([...parameters, ...program.constants]);
}
