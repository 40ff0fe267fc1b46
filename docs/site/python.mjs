// Python with stepgrad, restored from a snapshot of its memory. For the worker, and for the build.
import { loadPyodide } from "./pyodide/pyodide.mjs";
import { Graphviz } from "./graphviz.mjs";

// Pages of memory, of 64 KiB. A snapshot is restored into a memory of its size, and Python starts
// with less.
const PAGES = 640;

for (const name of ["instantiate", "instantiateStreaming"]) {
  const instantiate = WebAssembly[name];
  WebAssembly[name] = async (...args) => {
    const result = await instantiate.apply(WebAssembly, args);
    const memory = result.instance?.exports.memory;
    const missing = memory ? PAGES - memory.buffer.byteLength / 65536 : 0;
    if (missing > 0 && result.instance.exports.PyRun_SimpleString) memory.grow(missing);
    return result;
  };
}

// Returns a function from code to its outcome. `options` are those of loadPyodide; `fetchPackage`
// returns the bytes of the package's archive, for modules that the snapshot lacks.
export async function startPython(options, fetchPackage) {
  const [graphviz, python] = await Promise.all([Graphviz.load(), loadPyodide({ packages: [], ...options })]);
  const connect = python.runPython("import playground; playground.connect");
  connect(
    (dot, form) => graphviz.layout(dot, form, "dot"),
    () => python.unpackArchive(fetchPackage(), "zip", { extractDir: SITE }),
  );
  const run = python.runPython("import json; lambda code: json.dumps(playground.run(code)._asdict())");
  return { python, run: (code) => JSON.parse(run(code)) };
}

export const SITE = "/lib/site"; // a folder of sys.path
