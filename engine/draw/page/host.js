// Everything outside the page: the theme of the page around it, the address, the reader's settings.

// Follows the theme of the page around this one, where it can be seen; else that of the system.
function followTheme() {
  const root = document.documentElement;
  let outside;
  try {
    outside = window !== window.parent && window.parent.document;
  } catch {} // another origin
  if (!outside) return;
  const update = () => {
    const theme = findTheme(outside);
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
  };
  const observer = new MutationObserver(update);
  for (const element of [outside.documentElement, outside.body]) observer.observe(element, { attributes: true });
  update();
}

// Returns the theme of a document by its attributes, or else by its background: JupyterLab,
// marimo, and others that name it.
function findTheme({ documentElement: html, body }) {
  for (const { dataset, classList } of [body, html]) {
    if (dataset.jpThemeLight) return dataset.jpThemeLight === "false" ? "dark" : "light";
    const named = [dataset.theme, dataset.vscodeThemeKind, dataset.bsTheme].map((name) => /dark|light/.exec(name ?? "")?.[0]).find(Boolean);
    if (named) return named;
    for (const name of ["dark", "light"]) {
      if ([name, `vscode-${name}`, `quarto-${name}`].some((each) => classList.contains(each))) return name;
    }
  }
  for (const element of [body, html]) {
    const [r, g, b, alpha = 1] = getComputedStyle(element).backgroundColor.match(/[\d.]+/g)?.map(Number) ?? [];
    if (alpha > 0.5 && b !== undefined) return 0.3 * r + 0.6 * g + 0.1 * b < 110 ? "dark" : "light";
  }
}

// The reader's settings, which the browser remembers where it is permitted to.
function loadSettings() {
  const settings = { size: 1, speed: 1 };
  try {
    const saved = JSON.parse(localStorage.getItem("stepgrad")) ?? {};
    for (const name in settings) if (saved[name] > 0 && saved[name] < 10) settings[name] = saved[name];
  } catch {}
  return settings;
}

function saveSettings(settings) {
  try {
    localStorage.setItem("stepgrad", JSON.stringify(settings));
  } catch {}
}

// The address holds the step: #step=12&value=x1. That of a page inside another one does not.
const hasAddress = window === window.parent;
let address = location.hash; // as it was last read or written

function readAddress() {
  address = location.hash;
  return hasAddress ? Object.fromEntries(new URLSearchParams(location.hash.slice(1))) : {};
}

let writing = null;
function writeAddress(place) {
  if (!hasAddress) return;
  clearTimeout(writing); // browsers limit how often the address changes
  writing = setTimeout(() => {
    if (location.hash !== address) return; // another address, which is about to be read
    const parts = Object.entries(place).filter(([, x]) => x !== undefined && x !== "");
    try {
      history.replaceState(null, "", "#" + new URLSearchParams(parts));
    } catch {}
    address = location.hash;
  }, 150);
}
