// The worker of the playground: runs the reader's code in Python.
import { startPython, SITE } from "./python.mjs";

// An object of this file's own: the page's policy does not let the reader's code leave the site.
const locate = (name) => new URL(name, import.meta.url).href;

async function fetchSnapshot() {
  const { body } = await fetch(locate("snapshot.bin"));
  const unzipped = body.pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(unzipped).arrayBuffer());
}

function fetchNow(name) {
  const request = new XMLHttpRequest();
  request.open("GET", locate(name), false);
  request.responseType = "arraybuffer";
  request.send();
  return new Uint8Array(request.response);
}

async function start() {
  const options = { _loadSnapshot: fetchSnapshot(), stdLibURL: locate("empty.bin") };
  const { python, run } = await startPython(options, () => fetchNow("package.zip"));
  // The snapshot has the modules that pages import. Others are read from the archive, loaded then.
  const library = python.runPython("import sys; next(path for path in sys.path if path.endswith('.zip'))");
  python.FS.unlink(library);
  python.FS.createLazyFile("/lib", library.split("/").pop(), locate("pyodide/python_stdlib.zip"), true, false);
  python.runPython("import random; random.seed()"); // else the numbers of the snapshot
  return run;
}

const started = start();
started.then(() => postMessage({ ready: true }), (error) => postMessage({ broken: String(error) }));

onmessage = async ({ data: { id, code } }) => {
  const run = await started;
  const clock = performance.now();
  try {
    const outcome = run(code);
    postMessage({ id, ms: performance.now() - clock, outcome });
  } catch (error) {
    postMessage({ broken: String(error) }); // Python has crashed, as without memory
  }
};
