// The texts of a step: its heading, its formulas, its note, and its announcement to screen readers.
// `page` is the interface of stepper.js; `hints` is a text about keys, and its replacement for touch.

const FORMULAS = [1.3, 1.15, 1, 0.9, 0.8]; // sizes, in em

function createTexts(root, hints, page) {
  const find = (selector) => root.querySelector(selector), touch = matchMedia("(pointer: coarse)").matches;
  let described = "";

  // Writes a text of the page if it changed.
  function write(part, text) {
    const element = find(part);
    if (element.textContent !== text) element.textContent = text;
  }

  // Tells screen readers, which do not see the drawing, about a step.
  function announce({ title, data, grad, note }) {
    const numbers = Object.values({ ...data, ...grad }).filter(Boolean);
    const parts = [title, numbers.length === 1 ? `now ${numbers[0]}` : "", adapt(note ?? "")].filter(Boolean);
    write(".live", parts.map((part) => part.replace(/\.$/, "")).join(". "));
  }

  // Replaces the words about keys where there is no keyboard.
  const adapt = (note) => (touch ? note.replace(...hints) : note);

  // Shows the texts of a step. Returns true if they changed.
  function describe(kind, title, lines, note, where = "") {
    const formulas = lines.map(page.math), texts = JSON.stringify([kind, title, formulas, note, where]);
    if (described === texts) return false;
    described = texts;
    write(".kind", kind);
    find(".kind").dataset.kind = kind;
    write(".where", where);
    write(".title", title);
    write(".note", adapt(note));
    setFormulaSize(FORMULAS[0]);
    showFormulas(find(".formula"), formulas);
    for (const part of [".title", ".formula", ".note"]) showWholeNames(find(part), page.whole());
    find(".step").scrollTop = 0;
    return true;
  }

  function setFormulaSize(size) {
    find(".formula").style.fontSize = `${size}em`;
    find(".step").classList.toggle("tight", size < FORMULAS[0]);
  }

  // Makes the formulas of a step so small that the step fits its panel, if they stay legible.
  // Otherwise the panel scrolls, and shows the note first if that is a mistake.
  function fitStep() {
    const panel = find(".step"), isFit = () => panel.scrollHeight <= panel.clientHeight;
    setFormulaSize(FORMULAS[0]);
    panel.querySelectorAll(".formula, .element").forEach(fold);
    for (const size of FORMULAS) {
      setFormulaSize(size);
      if (isFit()) return;
    }
    if (page.isAlarm()) panel.scrollTop = panel.scrollHeight;
  }

  return { write, announce, adapt, describe, fitStep };
}
