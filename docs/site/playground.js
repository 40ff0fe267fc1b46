// The playground: the editor, the address, the worker that runs Python, and the frame of the page.
const $ = (id) => document.getElementById(id);
const examples = JSON.parse($("list").textContent);
const editor = $("code");
const WAIT = 120; // ms without typing before the code runs
const SLOW = 400; // ms of a run before it can be stopped
const STUCK = 1500; // ms of a run that the next change of the code ends
const IDLE = 30; // ms after a page is shown, in which it is painted, before the next frame is made
const LONGEST = 200_000; // characters of code in an address
const LOADING = "Python is loading: 12 MB, once.";

// The worker.

let worker, running, queued, isReady, slow;

function start() {
  end();
  // A worker from a blob has the policy of this page: its code cannot reach other origins.
  const source = `import ${JSON.stringify(new URL("worker.mjs", location.href).href)};`;
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  worker = new Worker(url, { type: "module" });
  worker.onmessage = ({ data }) => receive(data);
  worker.onerror = ({ message }) => receive({ broken: message || "The worker did not start." });
}

function end() {
  worker?.terminate();
  worker = running = null;
  isReady = false;
}

function receive({ ready, broken, id, ms, outcome }) {
  if (broken) {
    const cause = /call stack/.test(broken) ? "the code nests too deeply for a browser" : broken.slice(0, 200);
    if (isReady) {
      start();
      settle({ error: `Python has stopped and starts again: ${cause}.` });
    } else {
      end(); // the next run starts it again
      queued = undefined;
      settle({ error: `Python could not be loaded: ${cause}` });
    }
    return;
  }
  if (ready) {
    isReady = true;
    document.documentElement.dataset.ready = "true";
  } else if (id === running?.id) {
    running = null;
    settle(outcome, ms);
  }
  send();
}

let count = 0;
function run() {
  clearTimeout(typing);
  typing = 0;
  $("show").ariaBusy = "true";
  queued = editor.value;
  if (!worker) start();
  send();
  if (!isReady) say(LOADING, "pale");
  const earlier = running;
  if (queued !== undefined && earlier) setTimeout(() => replace(earlier), earlier.since + STUCK - performance.now());
}

// Ends a run that has taken long, if later code waits for it.
function replace(earlier) {
  if (running !== earlier || queued === undefined) return;
  start();
  say(LOADING, "pale");
}

function send() {
  if (!isReady || running || queued === undefined) return;
  running = { id: (count += 1), since: performance.now() };
  worker.postMessage({ id: running.id, code: queued });
  queued = undefined;
  clearTimeout(slow);
  slow = setTimeout(() => say("Running …", "pale", true), SLOW);
}

function stop() {
  queued = undefined;
  start();
  say("Stopped. Change the code, or run it again.", "pale");
}

// The outcome of a run.

function settle(outcome, ms) {
  if (queued === undefined && !typing) $("show").ariaBusy = "false";
  if (outcome.error) say(outcome.error, "bad", false, outcome.line);
  else say(`Shown: ${outcome.shown}`, "");
  if (ms !== undefined) document.documentElement.dataset.ms = ms;
  present(outcome);
}

function present({ html = "", shown = "", printed = "", notes = [], error = "", line = 0 }) {
  mark(error ? line : 0);
  $("show").classList.toggle("old", Boolean(error));
  $("printed").textContent = printed;
  $("printed").hidden = !printed;
  $("notes").replaceChildren(...notes.map(([at, text]) => {
    const item = document.createElement("li");
    item.textContent = at ? `Line ${at}: ${text}` : text;
    return item;
  }));
  if (html) show(html, shown);
}

// Writes the line that reports on runs.
function say(text, kind, canStop = false, line = 0) {
  clearTimeout(slow);
  const place = document.createElement("button");
  place.type = "button";
  place.textContent = `Line ${line}`;
  place.onclick = () => select(line);
  $("said").replaceChildren(...(line ? [place, ": "] : []), text);
  $("said").className = `said ${kind}`;
  $("run").textContent = canStop ? "Stop" : "Run";
  $("run").classList.toggle("stop", canStop);
}

// Writes the line that reports on the address. It stays until the code changes.
function notify(text, kind = "") {
  $("notice").textContent = text;
  $("notice").className = `said ${kind}`;
}

// The frame. A page whose scripts differ is written into a spare frame, which then replaces the first.

let page = "", frame = null, spare = makeFrame(), order = Promise.resolve();

function makeFrame() {
  const frame = document.createElement("iframe");
  Object.assign(frame, { src: "frame.html", className: "spare", title: "The next page", allow: "fullscreen" });
  frame.setAttribute("sandbox", "allow-scripts");
  $("show").append(frame);
  return new Promise((done) => frame.addEventListener("load", () => done(frame), { once: true }));
}

// Returns whether a frame now shows a page. A frame whose page has navigated does not answer.
function write(html, frame) {
  const { port1, port2 } = new MessageChannel(); // it stays if the page navigates at once
  frame.contentWindow.postMessage(html, "*", [port2]);
  return new Promise((done) => {
    port1.onmessage = ({ data }) => done(data);
    setTimeout(done, STUCK, false);
  });
}

function show(html, shown) {
  if (html === page) return; // its reader may have stepped
  page = html;
  order = order.then(async () => {
    if (html !== page) return; // a later one follows
    if (!frame || !(await write(html, frame))) {
      const next = await spare;
      await write(html, next);
      frame?.remove();
      frame = next;
      frame.className = "";
      spare = new Promise((done) => setTimeout(() => done(makeFrame()), IDLE));
    }
    frame.title = `${shown}: backpropagation, step by step`;
    document.documentElement.dataset.pages = Number(document.documentElement.dataset.pages ?? 0) + 1;
  });
}

// The editor.

let typing = 0, marked = 0;

function number() {
  const lines = editor.value.split("\n").length;
  $("gutter").replaceChildren(...Array.from({ length: lines }, (_, i) => {
    const item = document.createElement("div");
    item.textContent = i + 1;
    item.className = i + 1 === marked ? "bad" : "";
    return item;
  }));
  editor.parentElement.style.setProperty("--lines", Math.min(lines + 1, 22));
}

function mark(line) {
  marked = line;
  editor.setAttribute("aria-invalid", String(line > 0));
  editor.style.setProperty("--at", line);
  number();
}

function select(line) {
  const lines = editor.value.split("\n");
  const from = lines.slice(0, line - 1).join("\n").length + (line > 1);
  editor.focus();
  editor.setSelectionRange(from, from + (lines[line - 1] ?? "").length);
}

editor.oninput = () => {
  notify("");
  mark(0);
  keep();
  clearTimeout(typing);
  $("show").ariaBusy = "true";
  typing = setTimeout(run, WAIT);
};
editor.onscroll = () => { $("gutter").scrollTop = editor.scrollTop; };
editor.onkeydown = (event) => {
  if (event.key !== "Enter" || event.isComposing || event.altKey || event.shiftKey) return;
  event.preventDefault();
  if (event.ctrlKey || event.metaKey) {
    run();
    return;
  }
  const line = editor.value.slice(0, editor.selectionStart).split("\n").pop();
  const indent = /^ */.exec(line)[0] + (/:\s*$/.test(line) ? "    " : "");
  document.execCommand("insertText", false, `\n${indent}`); // which can be undone
};
$("run").onclick = () => ($("run").classList.contains("stop") ? stop() : run());

// The address: #example=neuron, or #code= and the compressed code.

async function pack(text) {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const base64 = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  return base64.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  const parts = [];
  for (let size = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    if ((size += value.length) > LONGEST) throw Error("too long");
    parts.push(value);
  }
  return new Blob(parts).text();
}

const nameOf = (code) => Object.keys(examples).find((name) => examples[name].code === code);
let address = null, changes = 0;

async function keep() {
  const change = (changes += 1), name = nameOf(editor.value);
  $("examples").value = name ?? "";
  const text = name ? `#example=${name}` : `#code=${await pack(editor.value)}`;
  if (change !== changes) return; // the code has changed since
  address = text;
  history.replaceState(null, "", text);
}

async function read() {
  if (location.hash === address) return;
  address = location.hash;
  const change = (changes += 1);
  const { code, example } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  let text = examples[example]?.code ?? Object.values(examples)[0].code, trouble = "";
  if (code !== undefined) {
    try {
      text = await unpack(code);
    } catch {
      trouble = "The address does not hold valid code. This is an example.";
    }
  }
  if (change !== changes) return; // the code or the address has changed since
  open(text);
  notify(trouble, "bad");
}

// Shows code and, at once, the page of an example, which was made with the site.
async function open(text) {
  notify("");
  editor.value = text;
  mark(0);
  const name = nameOf(text);
  $("examples").value = name ?? "";
  run();
  if (!name) return;
  const outcome = await (await fetch(`examples/${name}.json`)).json();
  if (editor.value !== text || isReady) return;
  present(outcome);
  if (queued === text) say(`${LOADING} You can step through this page already.`, "pale");
}

for (const [name, { title }] of Object.entries(examples)) $("examples").add(new Option(title, name));
const own = new Option("Your code", "");
own.hidden = true;
$("examples").add(own);
$("examples").onchange = async ({ target: { value } }) => {
  await keep();
  history.pushState(null, "", location.href); // the code before stays one step back
  open(examples[value].code);
  keep();
};
$("copy").onclick = async () => {
  await keep();
  try {
    await navigator.clipboard.writeText(location.href);
    notify("The link is copied. It contains the code.", "pale");
  } catch {
    notify("Copy the address of this page: it contains the code.", "pale");
  }
};
$("save").onclick = () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([page], { type: "text/html" }));
  link.download = "steps.html";
  link.click();
};

addEventListener("hashchange", read);
start();
read();
