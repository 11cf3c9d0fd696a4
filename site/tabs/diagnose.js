// Diagnose: logs in, findings with the lines that prove them out.
import { element, droppedFiles, pickedFiles } from "../dom.js";
import { Cancelled } from "../engine.js";

export function start(panel, engine) {
  const form = panel.querySelector("form");
  const text = panel.querySelector("textarea");
  const input = panel.querySelector('input[type="file"]');
  const result = panel.querySelector("#diagnose-result");
  const run = async (files) => {
    try {
      const { diagnosis } = await engine.ask("diagnose", {}, { files });
      result.replaceChildren(element("h3", { class: diagnosis.outcome }, diagnosis.outcome));
    } catch (error) {
      if (error instanceof Cancelled) return;
      result.replaceChildren(element("p", { role: "alert" }, error.message), element("p", {}, error.hint || ""));
    }
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run([{ path: "pasted log", file: new Blob([text.value]) }]);
  });
  input.addEventListener("change", () => run(pickedFiles(input)));
  panel.addEventListener("dragover", (event) => event.preventDefault());
  panel.addEventListener("drop", async (event) => {
    event.preventDefault();
    run(await droppedFiles(event.dataTransfer));
  });
}
