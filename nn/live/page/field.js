// The numbers of all neurons over a grid of inputs: the plane of two inputs, or the line of one.
class Field {
  constructor(trainer, size) {
    const { data } = trainer;
    this.inputs = data.inputs.length;
    this.size = size;
    this.machine = new Machine(data.model, trainer.numbers);
    this.machine.resize(this.inputs === 2 ? size * size : size);
    this.sides = findSides(data.X);
    data.model.inputs.forEach((r, j) => {
      const row = this.machine.row(r);
      for (let k = 0; k < row.length; k += 1) {
        const i = j ? size - 1 - Math.floor(k / size) : k % size; // the first line of an image is the top
        row[k] = this.sides[j][0] + ((i + 0.5) / size) * (this.sides[j][1] - this.sides[j][0]);
      }
    });
    this.image = new ImageData(size, this.inputs === 2 ? size : 1);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.canvas = new OffscreenCanvas(this.image.width, this.image.height);
  }

  compute() {
    this.machine.forward();
  }

  row(r) {
    return this.machine.row(r);
  }

  // Paints the image by a function of a place in the grid.
  paint(colour) {
    for (let k = 0; k < this.pixels.length; k += 1) this.pixels[k] = colour(k);
    return this.image;
  }

  // Paints the image by the numbers of a row; the largest, or `reach`, has the full colour.
  paintRow(r, palette, middle = 0, reach = 0, map = (x) => x) {
    const row = this.row(r);
    const scale = 1 / (reach || largest(row));
    return this.paint((k) => palette.at((map(row[k]) - middle) * scale));
  }

  // The place of an input in a picture of some width and height.
  place(x, width, height) {
    const [[a, b], [c, d]] = [this.sides[0], this.sides[1] ?? [0, 1]];
    return [((x[0] - a) / (b - a)) * width, (1 - (x[1] - c) / (d - c)) * height];
  }

  // Draws the line where a function of places in the grid is 0 (marching squares).
  contour(value, context, width, height) {
    const n = this.size, dx = width / n, dy = height / n;
    context.beginPath();
    for (let i = 0; i < n - 1; i += 1) {
      for (let j = 0; j < n - 1; j += 1) {
        const k = i * n + j, corners = [value(k), value(k + 1), value(k + n + 1), value(k + n)], cuts = [];
        for (let e = 0; e < 4; e += 1) {
          const a = corners[e], b = corners[(e + 1) % 4];
          if (a < 0 === b < 0) continue;
          const t = a / (a - b);
          cuts.push([[j + t, i], [j + 1, i + t], [j + 1 - t, i + 1], [j, i + 1 - t]][e]);
        }
        for (let e = 0; e + 1 < cuts.length; e += 2) {
          context.moveTo((cuts[e][0] + 0.5) * dx, (cuts[e][1] + 0.5) * dy);
          context.lineTo((cuts[e + 1][0] + 0.5) * dx, (cuts[e + 1][1] + 0.5) * dy);
        }
      }
    }
    context.stroke();
  }
}

// The interval of each input, a little larger than the samples; equal lengths if they are similar.
function findSides(X) {
  const sides = X[0].map((_, j) => {
    const xs = X.map((x) => x[j]), low = Math.min(...xs), high = Math.max(...xs), margin = 0.12 * (high - low) || 1;
    return [low - margin, high + margin];
  });
  const lengths = sides.map(([a, b]) => b - a), longest = Math.max(...lengths);
  if (longest / Math.min(...lengths) > 3) return sides;
  return sides.map(([a, b]) => [(a + b - longest) / 2, (a + b + longest) / 2]);
}
