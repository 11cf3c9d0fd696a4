// A form that asks Python: progress while it works, a button that cancels, the answer or what went wrong below.
import { element, prose } from "./dom.js";
import { Cancelled } from "./engine.js";

// Returns ask(entry, request, files, shown, again): `files` may be a function that gets them, `shown` makes elements of
// the answer, `again` may give [request, files] that the answer asks for in place of it. One question at a time.
export function asking(engine, { form, cancel, progress, result }) {
  const main = form.querySelector('button[type="submit"]');
  let asked = null;
  cancel.addEventListener("click", () => asked?.abort());

  const tell = ({ text, done, total, unit }) => {
    const bar = progress.querySelector("progress");
    if (text !== undefined) {
      progress.replaceChildren(element("p", {}, `${text} …`), element("progress", { "aria-label": "Progress" }));
    } else if (bar) {
      if (total) {
        bar.max = total;
        bar.value = done;
      } else bar.removeAttribute("value");
      bar.title = `${Math.round(done)}${total ? ` of ${Math.round(total)}` : ""} ${unit}`;
    }
  };

  return async (entry, request, files, shown, again = async () => null) => {
    asked?.abort();
    const now = new AbortController();
    asked = now;
    main.disabled = true;
    cancel.hidden = false;
    result.replaceChildren();
    tell({ text: "working" });
    try {
      const given = typeof files === "function" ? await files() : files;
      const options = { onProgress: tell, signal: now.signal };
      let answer = await engine.ask(entry, request, { files: given, ...options });
      const further = await again(answer);
      if (further) answer = await engine.ask(entry, further[0], { files: further[1], ...options });
      result.replaceChildren(...shown(answer));
      result.focus({ preventScroll: true });
    } catch (error) {
      if (asked !== now) return;
      if (error instanceof Cancelled) result.replaceChildren(element("p", { role: "status" }, "Cancelled."));
      else {
        result.replaceChildren(
          element(
            "div",
            { class: "error", role: "alert" },
            element("p", {}, prose(error.message)),
            error.hint ? element("p", { class: "quiet" }, prose(error.hint)) : null,
            error.trace ? element("pre", {}, error.trace) : null,
          ),
        );
      }
    } finally {
      if (asked === now) {
        asked = null;
        main.disabled = false;
        cancel.hidden = true;
        progress.replaceChildren();
      }
    }
  };
}
