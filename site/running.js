// A request that runs: what is told while it does, and the button that cancels it.
import { Cancelled } from "./engine.js";
import { element, prose } from "./dom.js";

const SOON = 300; // milliseconds before there is anything to cancel

export class Running {
  #engine;
  #status;
  #cancel;
  #abort = null;

  // status: an element with role="status"; cancel: a button.
  constructor(engine, status, cancel) {
    this.#engine = engine;
    this.#status = status;
    this.#cancel = cancel;
    cancel.addEventListener("click", () => this.#abort?.abort());
  }

  say(text) {
    this.#status.textContent = text;
  }

  // The answer, or null where it was cancelled or another request took its place.
  async ask(entry, request, files) {
    this.#abort?.abort();
    const abort = new AbortController();
    this.#abort = abort;
    const later = setTimeout(() => { this.#cancel.hidden = false; }, SOON);
    let text = "";
    const onProgress = (progress) => {
      if (progress.text) text = progress.text;
      const { done, total, unit } = progress;
      const amount = done === undefined ? "" : `: ${round(done)}${total ? ` of ${round(total)}` : ""} ${unit}`;
      this.say(`${text}${amount} …`);
    };
    this.say("waiting for Python …");
    try {
      const answer = await this.#engine.ask(entry, request, { files, onProgress, signal: abort.signal });
      this.say("");
      return answer;
    } catch (error) {
      if (!(error instanceof Cancelled)) {
        this.say("");
        throw error;
      }
      if (this.#abort === abort) this.say("Cancelled.");
      return null;
    } finally {
      clearTimeout(later);
      if (this.#abort === abort) {
        this.#abort = null;
        this.#cancel.hidden = true;
      }
    }
  }
}

const round = (number) => Math.round(number * 10) / 10;

export function shownFailure(error) {
  return element("div", { class: "error", role: "alert" },
    element("p", {}, prose(error.message)),
    error.hint ? element("p", {}, "Hint: ", prose(error.hint)) : null,
    error.trace ? element("details", {}, element("summary", {}, "For a report"), element("pre", { tabindex: "0" }, error.trace)) : null);
}
