const GAP = 4, LEAST = 54; // pixels between tiles, and of their shorter side

// The weights of the units of the first layer as images, all with the same scale at all epochs.
class Tiles {
  constructor(view, weights, array, shape, changed) {
    Object.assign(this, { view, weights, array, changed, canvas: view.querySelector("canvas"), chosen: null });
    [this.rows, this.columns] = shape ?? [1, array.columns];
    const largest = Array.from({ length: array.rows }, (_, i) => 127 * weights.scale(array, i)).sort((a, b) => a - b);
    this.reach = largest[Math.floor(largest.length / 2)] || 1;
    this.image = new ImageData(this.columns, this.rows);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.tile = new OffscreenCanvas(this.columns, this.rows);
    this.sort("largest");
    this.canvas.addEventListener("click", ({ offsetX, offsetY }) => this.choose(this.find(offsetX, offsetY)));
    this.canvas.addEventListener("keydown", (event) => this.move(event));
  }

  // Orders the units by their weights at the last epoch, by their change since the first one, or by number.
  sort(by) {
    const { weights, array } = this, last = weights.epochs.length - 1;
    const measure = (i) => {
      const row = weights.row(array, last, i), first = by === "changed" ? weights.row(array, 0, i) : null;
      let sum = 0;
      for (let k = 0; k < row.length; k += 1) sum += (row[k] - (first ? first[k] : 0)) ** 2;
      return weights.scale(array, i) * Math.sqrt(sum);
    };
    this.order = Array.from({ length: array.rows }, (_, i) => i);
    if (by === "index") return;
    const sizes = this.order.map(measure);
    this.order.sort((a, b) => sizes[b] - sizes[a]);
  }

  // Chooses the smallest legible tiles that fill the canvas.
  layOut(width, height) {
    const ratio = this.columns / this.rows, count = this.array.rows, layouts = [];
    for (let across = 1; across <= count; across += 1) {
      const wide = Math.min((width - 3 + GAP) / across - GAP, 150 * ratio);
      const high = ratio > 4 ? Math.max(8, Math.min(24, (height - 3 + GAP) / count - GAP)) : wide / ratio;
      if (across > 1 && Math.min(wide, high) < LEAST) break;
      const shown = Math.min(count, across * Math.max(1, Math.floor((height - 3 + GAP) / (high + GAP))));
      layouts.push({ across, shown, size: [wide, high], area: shown * wide * high });
    }
    const most = Math.max(...layouts.map(({ area }) => area));
    Object.assign(this, layouts.findLast(({ area }) => area > 0.93 * most));
  }

  draw(n, palette) {
    const { context, width, height } = fit(this.canvas), { weights, array, pixels } = this;
    this.layOut(width, height);
    const [wide, high] = this.size;
    context.imageSmoothingEnabled = false;
    this.order.slice(0, this.shown).forEach((unit, place) => {
      const row = weights.row(array, n, unit), scale = weights.scale(array, unit) / this.reach, [x, y] = this.place(place);
      for (let k = 0; k < pixels.length; k += 1) pixels[k] = palette.at(row[k] * scale);
      this.tile.getContext("2d").putImageData(this.image, 0, 0);
      context.drawImage(this.tile, x, y, wide, high);
      context.lineWidth = unit === this.chosen ? 2.5 : 1;
      context.strokeStyle = css(unit === this.chosen ? palette.ink : palette.frame);
      context.strokeRect(x, y, wide, high);
    });
  }

  place(k) {
    return [1.5 + (k % this.across) * (this.size[0] + GAP), 1.5 + Math.floor(k / this.across) * (this.size[1] + GAP)];
  }

  find(x, y) {
    const column = Math.floor(x / (this.size[0] + GAP)), k = Math.floor(y / (this.size[1] + GAP)) * this.across + column;
    return column < this.across && k < this.shown ? this.order[k] : null;
  }

  choose(unit) {
    this.chosen = unit === this.chosen ? null : unit;
    this.changed();
  }

  move(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.across, ArrowDown: this.across }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    const at = this.chosen === null ? -1 : this.order.indexOf(this.chosen), to = at < 0 ? 0 : at + by;
    if (to >= 0 && to < this.shown && to !== at) this.choose(this.order[to]);
  }
}
