// `node snapshot.mjs FOLDER EXAMPLES`: writes a snapshot of Python after the import of stepgrad, and
// the outcome of each example, into the folder of the playground, which has all other files.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";

const [folder, list] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(resolve(folder, name)));
const { startPython, SITE } = await load("python.mjs");
const { loadPyodide } = await load("pyodide/pyodide.mjs");
const { Graphviz } = await load("graphviz.mjs");
const examples = JSON.parse(readFileSync(list, "utf-8"));
const archive = new Uint8Array(readFileSync(`${folder}/package.zip`));
const WARM = ["expression", "network"]; // whose modules and caches become a part of the snapshot
const WRONG = ["x +", "print(x)\nx / 0", "x.y", "import math, missing"]; // likewise, with errors

const python = await loadPyodide({ packages: [], _makeSnapshot: true });
python.unpackArchive(archive, "zip", { extractDir: SITE });
const graphviz = await Graphviz.load();
globalThis.layOut = (dot, form) => graphviz.layout(dot, form, "dot");
globalThis.warm = WARM.map((name) => examples[name].code);
globalThis.wrong = WRONG;
python.runPython(`
import sys
sys.path.append("${SITE}")
import js, json, random, playground
from stepgrad.draw.graph.svg import installed, use_graphviz
from stepgrad.nn import losses, optim
use_graphviz(lambda dot, form: js.layOut(dot, form))
for code in js.warm.to_py():
    outcome = playground.run(code)
    assert not outcome.error, outcome.error
installed.clear()
for code in js.wrong.to_py():
    assert playground.run(code).error
del js, outcome, code
sys.modules.pop("js")
import gc
gc.collect()
gc.freeze()  # objects in the snapshot are never freed, so the collector need not visit them
for k in range(5, 20):  # overwrite free memory with zeros, which compress better
    [bytes(2**k) for _ in range(2**20 >> k)]
del gc, k
`);
const snapshot = python.makeMemorySnapshot();
writeFileSync(`${folder}/snapshot.bin`, gzipSync(snapshot, { level: 9 }));
console.log(`snapshot of ${(snapshot.length / 2 ** 20).toFixed(1)} MiB`);

const { run } = await startPython({ _loadSnapshot: snapshot }, () => archive);
mkdirSync(`${folder}/examples`, { recursive: true });
for (const [name, { code }] of Object.entries(examples)) {
  const outcome = run(code);
  if (outcome.error) throw Error(`${name}: ${outcome.error}`);
  writeFileSync(`${folder}/examples/${name}.json`, JSON.stringify(outcome));
}
