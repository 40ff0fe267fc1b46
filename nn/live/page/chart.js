// The losses of the steps. Of a long training, a point is the mean of several steps.
class History {
  constructor() {
    this.points = [];
    this.every = 1;
    this.sum = this.count = 0;
  }

  add(loss) {
    this.sum += loss;
    this.count += 1;
    if (this.count < this.every) return;
    this.points.push(this.sum / this.count);
    this.sum = this.count = 0;
    if (this.points.length < 800) return;
    this.points = this.points.filter((_, i) => i % 2).map((b, i) => (b + this.points[2 * i]) / 2);
    this.every *= 2;
  }
}

function drawLosses(canvas, palette, history, steps) {
  const { context, width, height } = fit(canvas), { points } = history, bottom = height - 16, left = 34;
  const finite = points.filter(Number.isFinite), high = 1.05 * Math.max(1e-9, ...finite), up = (y) => bottom - (y / high) * (bottom - 6);
  context.font = "11px system-ui, sans-serif";
  context.textBaseline = "middle";
  for (const [y, text] of ticks(0, high).filter((_, i, all) => all.length < 7 || i % 2 === 0)) {
    context.strokeStyle = css(palette.frame, y ? 0.55 : 1);
    context.beginPath();
    context.moveTo(left, Math.round(up(y)) + 0.5);
    context.lineTo(width, Math.round(up(y)) + 0.5);
    context.stroke();
    context.fillStyle = css(palette.pale);
    context.textAlign = "right";
    if (points.length) context.fillText(text, left - 6, up(y));
  }
  context.fillText("0", left + 3, height - 6);
  context.fillText(points.length ? `step ${steps.toLocaleString("en")}` : "step", width, height - 6);
  if (!points.length) return;
  const right = (i) => left + (i / Math.max(1, points.length - 1)) * (width - left - 4);
  context.beginPath();
  points.forEach((y, i) => context.lineTo(right(i), up(y)));
  context.lineWidth = 2;
  context.lineJoin = "round";
  context.strokeStyle = css(palette.mark);
  context.stroke();
  context.lineTo(right(points.length - 1), bottom);
  context.lineTo(left, bottom);
  context.fillStyle = css(palette.mark, 0.1);
  context.fill();
  context.beginPath();
  context.arc(right(points.length - 1), up(points.at(-1)), 3, 0, 2 * Math.PI);
  context.fillStyle = css(palette.mark);
  context.fill();
}
