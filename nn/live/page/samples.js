// The marks of samples. Classes differ in shape as well as in colour.
const SHAPES = [
  (c, r) => c.arc(0, 0, r, 0, 2 * Math.PI),
  (c, r) => c.rect(-0.86 * r, -0.86 * r, 1.72 * r, 1.72 * r),
  (c, r) => polygon(c, 3, 1.3 * r, -Math.PI / 2),
  (c, r) => polygon(c, 4, 1.25 * r, 0),
  (c, r) => polygon(c, 3, 1.3 * r, Math.PI / 2),
  (c, r) => polygon(c, 5, 1.15 * r, -Math.PI / 2),
  (c, r) => polygon(c, 6, 1.1 * r, 0),
  (c, r) => polygon(c, 8, 1.1 * r, Math.PI / 8),
];

function polygon(context, n, r, start) {
  for (let i = 0; i < n; i += 1) context.lineTo(r * Math.cos(start + (2 * Math.PI * i) / n), r * Math.sin(start + (2 * Math.PI * i) / n));
  context.closePath();
}

function drawMark(context, x, y, r, shape, fill, line, width = 1) {
  context.save();
  context.translate(x, y);
  context.beginPath();
  SHAPES[shape % SHAPES.length](context, r);
  context.fillStyle = fill;
  context.fill();
  context.lineWidth = width;
  context.strokeStyle = line;
  context.stroke();
  context.restore();
}
