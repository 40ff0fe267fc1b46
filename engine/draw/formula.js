// Formulas that fit: a line that is too wide wraps at its operators, and "⋯" unfolds a long sum.
// `whole` maps shortened names to whole ones, which appear on hover.

function showFormulas(container, lines) {
  container.innerHTML = lines.join("");
  for (const dots of container.querySelectorAll(".dots")) {
    dots.setAttribute("title", "Show all terms");
    dots.addEventListener("click", () => {
      dots.closest(".line, math").classList.add("unfolded");
      fold(container);
    });
  }
  fold(container);
  container.folding ??= new ResizeObserver(() => fold(container));
  container.folding.observe(container);
}

// Wraps the lines that are wider than their container.
function fold(container) {
  for (let line of container.children) {
    if (line.tagName === "math" && isWide(line, container)) line = wrap(line);
    if (line.className.includes("line")) line.querySelectorAll("math").forEach((piece) => narrow(piece, line, 4));
  }
}

const isWide = (element, container) => container.clientWidth > 0 && element.getBoundingClientRect().width > container.clientWidth + 1;

// Replaces a formula by a line of pieces, each of which begins with an operator.
function wrap(math) {
  const line = document.createElement("div");
  line.className = `line ${math.getAttribute("class") ?? ""}`;
  line.append(...cut(math.firstElementChild.children));
  math.replaceWith(line);
  return line;
}

// Cuts a piece that is still too wide at the operators inside its parentheses, or makes it smaller.
function narrow(piece, line, depth) {
  const room = line.clientWidth, width = piece.getBoundingClientRect().width;
  if (!room || width <= room) return;
  const rows = [...piece.firstElementChild.children].filter((part) => part.tagName === "mrow" && part.children.length > 1);
  if (!depth || !rows.length) {
    piece.style.fontSize = `${Math.max(60, (95 * room) / width)}%`;
    return;
  }
  rows.forEach((row) => row.className !== "rest" && row.replaceWith(...row.children));
  const pieces = cut(piece.firstElementChild.children);
  piece.replaceWith(...pieces);
  pieces.forEach((each) => narrow(each, line, depth - 1));
}

// Returns pieces of a formula, as elements of their own.
function cut(parts) {
  const pieces = [[]];
  for (const part of parts) {
    const { tagName, textContent, className } = part, after = pieces.at(-1).at(-1);
    const ends = !after || (after.tagName === "mo" && after.textContent !== ")");
    const begins = className === "rest" || (tagName === "mo" && /^([=+−⋅,]|\+=)$/.test(textContent) && !ends);
    if (begins && textContent !== ",") pieces.push([]);
    pieces.at(-1).push(part);
    if (begins && textContent === ",") pieces.push([]);
  }
  return pieces.filter((piece) => piece.length).map((piece) => {
    const [first] = piece, math = document.createElementNS("http://www.w3.org/1998/Math/MathML", "math");
    const row = math.appendChild(document.createElementNS(math.namespaceURI, "mrow"));
    math.setAttribute("displaystyle", "true");
    if (first.tagName === "mo") first.setAttribute("form", "infix");
    row.append(...piece);
    return math;
  });
}

// Shows the whole of shortened names in an element, when the mouse is over it.
function showWholeNames(element, whole) {
  const names = Object.entries(whole).filter(([short]) => element.textContent.includes(short));
  if (names.length) element.title = names.map(([, name]) => name).join("\n");
  else element.removeAttribute("title");
}
