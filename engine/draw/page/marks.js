// The mark of a wrong pass below a gradient. While it is empty, the gradient is in the middle of
// both lines; `blank` is the second line of a cell whose fields are below each other. `squeeze(text)`
// makes a text fit into its cell.

function addMark(grad, blank, squeeze) {
  const y = (text) => Number(text.getAttribute("y")), middle = blank ? (y(grad) + y(blank)) / 2 : y(grad);
  let mark = null;
  if (blank) grad.setAttribute("y", middle);
  return { show };

  function show(kind, text) {
    if (!mark) {
      mark = grad.cloneNode();
      grad.after(mark);
    }
    mark.setAttribute("class", `below ${kind}`);
    if (mark.textContent !== text) {
      mark.textContent = text;
      squeeze(mark, text, 9);
    }
    mark.setAttribute("y", middle + 6);
    grad.setAttribute("y", middle - (text ? 5.5 : 0));
  }
}

// The mark of a gradient in a card, whose rows have no room below: a sign before the number, and the
// whole text on hover. A true gradient that is still due is in parentheses.
const SIGNS = { right: "✓", wrong: "✗", early: "»" };

function addSign(grad, squeeze) {
  return { show, hasNumber: true };

  function show(kind, text, number) {
    const isDue = kind === "due" && !number;
    const sign = isDue ? `(${text.replace("true ", "")})` : [SIGNS[kind], number].filter(Boolean).join("\u2009");
    grad.setAttribute("class", ["grad", ...(isDue || kind in SIGNS ? ["signed", kind] : [])].join(" "));
    grad.textContent = text ? sign : number;
    squeeze(grad, grad.textContent, text ? 9 : 11);
    if (!text) return;
    const whole = document.createElementNS(grad.namespaceURI, "title");
    whole.textContent = text;
    grad.append(whole);
  }
}
