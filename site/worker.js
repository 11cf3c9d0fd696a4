// Python in a worker of its own, so that the page never waits for it. See docs/site.md for the messages.
import { loadPyodide } from "./pyodide/pyodide.mjs";
import { mountSpool, openSpool } from "./spool.js";

const HOME = "/bootwright";
const GIVEN = "/given";
const CACHE = "/cache";

const say = (message) => self.postMessage(message);

// Each step of the start, told before it begins: [text, work].
async function start() {
  const steps = 4;
  const step = (done, text) => say({ kind: "loading", text, done, total: steps });
  step(0, "loading Python");
  const archive = fetch(new URL("bootwright.zip", self.location.href)).then((response) => {
    if (!response.ok) throw new Error(`bootwright.zip: ${response.status}`);
    return response.arrayBuffer();
  });
  archive.catch(() => {}); // awaited below, where the error counts
  const spool = openSpool();
  const python = await loadPyodide({ indexURL: new URL("pyodide/", self.location.href).href, packages: [] });
  step(1, "loading bootwright");
  const data = await archive;
  step(2, "unpacking bootwright");
  python.unpackArchive(data, "zip", { extractDir: HOME });
  step(3, "starting bootwright");
  python.FS.mkdirTree(CACHE);
  const onDisk = await spool;
  if (onDisk) mountSpool(python.FS, onDisk, CACHE);
  python.globals.set("_home", HOME);
  python.globals.set("_cache", CACHE);
  python.runPython("import os; os.environ['BOOTWRIGHT_CACHE'] = _cache");
  python.runPython("import sys; sys.path.insert(0, _home); from bootwright.browser import run as _module");
  const { run, prepare } = python.globals.get("_module");
  say({ kind: "ready" });
  return { python, run, prepare, onDisk: Boolean(onDisk) };
}

const started = start();
started.then(({ prepare }) => prepare()).catch((error) => say({ kind: "broken", message: String(error.message || error) }));

// `dmesg (2).log`: as file managers tell files of one name apart.
function numbered(name, number) {
  const [, start, end] = name.match(/^(.*?[^/])(\.[^./]*)?$/s);
  return `${start} (${number})${end || ""}`;
}

// A name that stays below the folder it is mounted in; files of one name are told apart by a number.
function placed(files) {
  const taken = new Set();
  return files.map(({ path, file }) => {
    const parts = path.split("/").filter((part) => part && part !== "." && part !== "..");
    const name = parts.join("/") || "log";
    let free = name;
    for (let number = 2; taken.has(free); number += 1) free = numbered(name, number);
    taken.add(free);
    return { name: free, data: file };
  });
}

let mounted = 0;

async function answer({ id, entry, request, files }) {
  const { python, run, onDisk } = await started;
  const { FS } = python;
  mounted += 1;
  const folder = `${GIVEN}/${mounted}`;
  const blobs = placed(files);
  FS.mkdirTree(folder);
  FS.mount(FS.filesystems.WORKERFS, { blobs }, folder);
  FS.chdir(folder);
  const names = python.toPy(blobs.map(({ name }) => `./${name}`));
  try {
    const text = run(entry, JSON.stringify({ ...request, on_disk: onDisk }), names, (progress) =>
      say({ kind: "progress", id, ...JSON.parse(progress) }),
    );
    say({ kind: "answer", id, ...JSON.parse(text) });
  } catch (error) {
    // Python itself ended: out of memory, or a fault in it. Nothing more can be asked of this worker.
    say({ kind: "broken", id, message: String(error.message || error) });
  } finally {
    names.destroy();
    FS.chdir("/");
    FS.unmount(folder);
  }
}

let queue = Promise.resolve();
self.onmessage = ({ data }) => {
  queue = queue.then(() => answer(data)).catch((error) => say({ kind: "broken", id: data.id, message: String(error) }));
};
