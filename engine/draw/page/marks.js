// The mark of a wrong pass below a gradient. While it is empty, the gradient is in the middle of
// both lines; `blank` is the second line of a cell whose fields are below each other.

function addMark(grad, blank) {
  if (grad.classList.contains("grad")) return addRowMark(grad);
  const mark = grad.cloneNode(), y = (text) => Number(text.getAttribute("y"));
  const middle = blank ? (y(grad) + y(blank)) / 2 : y(grad);
  grad.after(mark);
  show("", "");
  return { show };

  function show(kind, text) {
    if (mark.textContent !== text) mark.textContent = text;
    mark.setAttribute("class", `below ${kind}`);
    mark.setAttribute("y", middle + 6);
    grad.setAttribute("y", middle - (text ? 5.5 : 0));
  }
}

// A row of a card has one line. It shows the true gradient until a contribution arrives; then the
// gradient's colour shows its state, and the whole mark appears on hover.
function addRowMark(grad) {
  const mark = grad.cloneNode(), title = grad.parentNode.querySelector("title"), whole = title?.textContent;
  grad.after(mark);
  show("", "");
  return { show };

  function show(kind, text) {
    mark.textContent = grad.textContent ? "" : text.replace(/^true /, "");
    mark.setAttribute("class", `below ${kind}`);
    if (title) title.textContent = [whole, text].filter(Boolean).join("\n");
  }
}
