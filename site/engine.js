// The page's side of the worker: one request at a time, progress on the way, cancelled by ending the worker.
import { learn } from "./dom.js";

export class Failure extends Error {
  constructor({ message, hint, trace }) {
    super(message);
    this.hint = hint || null;
    this.trace = trace || null;
  }
}

export class Cancelled extends Error {}

export class Engine {
  #worker = null;
  #waiting = new Map();
  #last = 0;
  #ready = null;
  #listeners = new Set();

  // Listeners are given {kind: "loading", text, done, total}, {kind: "ready"}, {kind: "broken", message}.
  onState(listener) {
    this.#listeners.add(listener);
  }

  #tell(state) {
    for (const listener of this.#listeners) listener(state);
  }

  // Start Python, if it does not run; a request does so by itself.
  start() {
    if (this.#worker) return this.#ready;
    const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this.#worker = worker;
    this.#ready = new Promise((resolve, reject) => {
      const broken = (message) => {
        const failure = new Failure({
          message: `Python does not run in this browser: ${message}`,
          hint: "use a current browser, and load the page again",
        });
        reject(failure);
        this.#end(worker, failure);
        this.#tell({ kind: "broken", message: failure.message });
      };
      worker.onmessage = ({ data }) => {
        if (data.kind === "loading") this.#tell(data);
        if (data.kind === "ready") {
          resolve();
          this.#tell(data);
        }
        if (data.kind === "broken") broken(data.message);
        const waiting = this.#waiting.get(data.id);
        if (data.kind === "progress") waiting?.onProgress?.(data);
        if (data.kind === "answer" && waiting) {
          this.#waiting.delete(data.id);
          if (data.error) waiting.reject(new Failure(data.error));
          else {
            learn(data.words || {});
            waiting.resolve(data.answer);
          }
        }
      };
      worker.onerror = (event) => {
        event.preventDefault();
        broken(event.message || "the worker could not be loaded");
      };
    });
    this.#ready.catch(() => {});
    return this.#ready;
  }

  #end(worker, reason) {
    worker.terminate();
    if (this.#worker !== worker) return;
    this.#worker = null;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(reason);
  }

  // entry: a module of bootwright.browser. request: plain JSON. files: [{path, file}], `file` a File or Blob.
  // Returns what the module answers; throws Failure with `hint`, or Cancelled once `signal` says so.
  ask(entry, request, { files = [], onProgress = null, signal = null } = {}) {
    if (signal?.aborted) return Promise.reject(new Cancelled());
    this.start();
    const worker = this.#worker;
    this.#last += 1;
    const id = this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, onProgress });
      worker.postMessage({ id, entry, request, files });
      signal?.addEventListener("abort", () => {
        if (!this.#waiting.has(id)) return;
        this.#end(worker, new Cancelled());
        this.start(); // for the next request
      });
    });
  }
}
