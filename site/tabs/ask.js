// Ask: a board, a system's version and what the lights do in; what that means, and what to do, out.
import { element } from "../dom.js";
import { asking } from "../asking.js";
import { chip } from "../verdicts.js";

const paragraphs = (texts) => texts.filter(Boolean).map((text) => element("p", {}, text));

function seen(told) {
  if (!told) return null;
  return element(
    "section",
    { id: "ask-seen" },
    element("h3", {}, "What the board shows"),
    paragraphs(told.says),
    Object.entries(told.outcomes).map(([goal, verdict]) => element("p", {}, chip(verdict), ` ${goal}`)),
    told.next ? element("p", {}, element("b", {}, "Next: "), told.next) : null,
  );
}

function plan(decided) {
  return element(
    "section",
    { class: "plan", "data-plan": decided.plan },
    element("h3", {}, decided.title),
    element("p", { class: "quiet" }, "Decided by the recorded runs that this page was made with."),
    decided.answers.map((answer) =>
      element(
        "article",
        { class: `goal ${answer.verdict}` },
        element("h4", {}, chip(answer.verdict), ` ${answer.name}`, answer.source ? ` (${answer.source})` : ""),
        answer.what ? element("p", { class: "quiet" }, answer.what) : null,
        answer.use ? element("p", {}, element("b", {}, "Use: "), answer.use) : null,
        answer.try ? element("p", {}, element("b", {}, "Try: "), answer.try) : null,
        paragraphs([answer.says, answer.quicker]),
        answer.why.length
          ? element("details", {}, element("summary", {}, "Why not otherwise"), paragraphs(answer.why))
          : null,
      ),
    ),
  );
}

function image(asked) {
  if (!asked) return null;
  const { talos, schematic } = asked;
  const remark = ({ title, reason, remedy, verdict }) =>
    element(
      "li",
      {},
      verdict ? [chip(verdict), " "] : null,
      [title, reason].filter(Boolean).join(": "),
      remedy ? element("p", {}, element("b", {}, "Remedy: "), remedy) : null,
    );
  return element(
    "section",
    { id: "ask-image" },
    element("h3", {}, `Talos Linux ${talos.version}`),
    element("p", {}, chip(talos.verdict), talos.kernel ? ` Linux ${talos.kernel}` : "", talos.overlay.version ? `, overlay ${talos.overlay.name} ${talos.overlay.version}` : ""),
    [...talos.remarks, ...talos.hazards].length
      ? element("ul", { class: "hazards" }, [...talos.remarks, ...talos.hazards].map(remark))
      : null,
    talos.missing.length
      ? element("p", {}, element("b", {}, "Not known without: "), talos.missing.join("; "))
      : null,
    element("p", {}, "The image factory makes the image of this schematic; check it in the other tab before it is flashed:"),
    element("pre", { tabindex: "0" }, schematic),
    talos.address ? element("p", {}, element("code", {}, talos.address)) : null,
  );
}

export function start(panel, engine) {
  const by = (name) => panel.querySelector(`#ask-${name}`);
  const ask = asking(engine, { form: by("form"), cancel: by("cancel"), progress: by("progress"), result: by("result") });
  by("form").addEventListener("submit", (event) => {
    event.preventDefault();
    const request = {};
    for (const name of ["board", "revision", "system", "version", "led", "lights", "address"]) request[name] = by(name).value;
    ask("ask", request, [], (answer) => [
      element("h3", {}, `${answer.board}${answer.stepping ? `, stepping ${answer.stepping}` : ""}`),
      seen(answer.seen),
      ...answer.plans.map(plan),
      image(answer.image),
      answer.not_known.length
        ? element("p", { class: "quiet" }, `Not known: ${answer.not_known.join("; ")}.`)
        : null,
    ].filter(Boolean));
  });
}
