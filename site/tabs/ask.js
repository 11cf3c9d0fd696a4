// Ask: a board, a system's version and what the lights do in; what that means, and what to do, out.
import { element, prose } from "../dom.js";
import { asking } from "../asking.js";
import { chip } from "../verdicts.js";

const paragraphs = (texts) => texts.filter(Boolean).map((text) => element("p", {}, prose(text)));

function seen(told) {
  if (!told) return null;
  return element(
    "section",
    { id: "ask-seen", "data-verdict": told.verdict },
    element("h3", {}, "What the board shows"),
    element("p", {}, chip(told.verdict), " ", prose(told.headline)),
    paragraphs(told.says),
    told.next ? element("p", {}, element("b", {}, "Next: "), prose(told.next)) : null,
  );
}

// What to choose: pairs of what it is and which.
function choice(title, pairs) {
  if (!pairs.length) return null;
  return [
    element("p", {}, element("b", {}, `${title}:`)),
    element("ul", { class: "choice" }, pairs.map(([what, which]) => element("li", {}, `${what}: ${which}`))),
  ];
}

function plan(decided) {
  return element(
    "section",
    { class: "plan", "data-plan": decided.plan },
    element("h3", {}, decided.title),
    element("p", { class: "quiet" }, "Decided by the recorded runs that this page was made with."),
    decided.outside ? element("p", { class: "outside" }, decided.outside) : null,
    decided.releases.map((release) =>
      element(
        "article",
        { class: `goal release ${release.verdict}` },
        element("h4", {}, chip(release.verdict), ` ${release.name}, as it is released`),
        paragraphs(release.says),
      ),
    ),
    decided.answers.map((answer) =>
      element(
        "article",
        { class: `goal ${answer.verdict}` },
        element("h4", {}, chip(answer.verdict), ` ${answer.what || answer.name}`, answer.source ? ` (${answer.source})` : ""),
        paragraphs(answer.ways),
        choice("Use", answer.use),
        choice("Try", answer.try),
        paragraphs([answer.says]),
        answer.why.length
          ? element("details", {}, element("summary", {}, "Why not otherwise"), paragraphs(answer.why))
          : null,
      ),
    ),
  );
}

function remark({ verdict, text, remedy }) {
  return element(
    "li",
    {},
    chip(verdict),
    " ",
    prose(text),
    remedy ? element("p", {}, element("b", {}, "Remedy: "), prose(remedy)) : null,
  );
}

// How the image is had: an address of a schematic that nobody gave to the factory leads nowhere.
function making({ talos, schematic }) {
  return [
    element("h4", {}, "Get the image"),
    element("ol", {},
      element("li", {}, "Give the image factory this schematic, or choose the same board and version on its own page, ",
        element("code", {}, "https://factory.talos.dev"), ":",
        element("pre", { tabindex: "0" }, schematic),
        element("details", {}, element("summary", {}, "By command"),
          element("p", {}, "With the schematic in the file schematic.yaml:"),
          element("pre", { tabindex: "0" }, "curl -X POST --data-binary @schematic.yaml https://factory.talos.dev/schematics"))),
      talos.address
        ? element("li", {}, "From then on the image is at ", element("code", {}, talos.address), ".")
        : element("li", {}, "It answers with the schematic's id and where the image is."),
      element("li", {}, "Before it is flashed, pick it in the tab “Check an image”: that says more than can be said here.")),
  ];
}

function image(asked) {
  if (!asked) return null;
  const { talos } = asked;
  const kernel = talos.kernel ? ` Linux ${talos.kernel}` : "";
  const overlay = talos.overlay.version ? `, overlay ${talos.overlay.name} ${talos.overlay.version}` : "";
  const remarks = [...talos.remarks, ...talos.hazards];
  return element(
    "section",
    { id: "ask-image", "data-verdict": talos.verdict },
    element("h3", {}, `Talos Linux ${talos.version}`),
    element("p", {}, chip(talos.verdict), `${kernel}${overlay}`),
    remarks.length ? element("ul", { class: "hazards" }, remarks.map(remark)) : null,
    talos.missing.length
      ? element("p", {}, element("b", {}, "Not known without: "), talos.missing.map((text, index) => [index ? "; " : "", prose(text)]).flat(2))
      : null,
    asked.can_be_made ? making(asked) : null,
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
      answer.seen?.verdict === "fails" && (answer.plans.length || answer.image)
        ? element("p", { id: "ask-first" }, "What you saw goes before what follows, which was found without your board: mend that first.")
        : null,
      image(answer.image),
      ...answer.plans.map(plan),
      answer.not_known.length
        ? element("p", { class: "quiet" }, `Not known: ${answer.not_known.join("; ")}.`)
        : null,
    ].filter(Boolean));
  });
}
