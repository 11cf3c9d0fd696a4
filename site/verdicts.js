// What `bootwright check` answers, as elements: texts from files stay text.
import { element, prose } from "./dom.js";

export const chip = (verdict) => element("span", { class: `chip ${verdict}` }, verdict);

// An SVG that bootwright drew: parsed as XML, so that nothing in it is run.
function picture(svg) {
  const parsed = new DOMParser().parseFromString(svg, "image/svg+xml").documentElement;
  return parsed.nodeName === "svg" ? document.importNode(parsed, true) : null;
}

function line(label, text) {
  return text ? element("p", {}, element("b", {}, `${label}: `), prose(text)) : null;
}

function hazards(all) {
  if (!all.length) return null;
  return element(
    "ul",
    { class: "hazards" },
    all.map((hazard) =>
      element("li", {}, element("b", {}, `Hazard: ${hazard.title}. `), prose(hazard.reason), line("Remedy", hazard.remedy)),
    ),
  );
}

function goal(name, judged, svg) {
  const broken = judged.first_broken;
  const links = judged.chain.map((link) =>
    element(
      "li",
      {},
      chip(link.verdict),
      " ",
      element("code", {}, link.node),
      ` ${link.link}`,
      link.reason ? element("p", {}, prose(link.reason)) : null,
      element("p", { class: "quiet" }, link.evidence),
    ),
  );
  return element(
    "article",
    { class: `goal ${judged.verdict}`, "data-goal": name },
    element("h4", {}, chip(judged.verdict), ` ${name}`),
    broken
      ? [
          element("p", {}, element("b", {}, "First broken link: "), element("code", {}, broken.node), `: ${broken.link}`),
          line("Why", broken.reason),
          line("Remedy", broken.remedy),
        ]
      : null,
    // A hazard that is the first broken link stands above already.
    hazards(judged.hazards.filter((hazard) => broken?.link !== `hazard ${hazard.name}`)),
    judged.not_checked.length
      ? element("p", { class: "quiet" }, "Not checked: ", prose(judged.not_checked.join("; ")))
      : null,
    judged.chain.length
      ? element(
          "details",
          judged.verdict === "works" ? {} : { open: true },
          element("summary", {}, `The chain of ${name}`),
          svg ? picture(svg) : null,
          element("details", {}, element("summary", {}, `Every link of ${name}, with its evidence`), element("ol", { class: "links" }, links)),
        )
      : null,
  );
}

const ORDER = ["fails", "unknown", "works"];

// {check, verdict, titles, pictures}: as browser/check.py answers.
export function judgedBoards({ check, verdict, titles, pictures }) {
  const boards = check.boards || [check];
  const together = (check.together || []).filter((one) => new Set(Object.values(one.steppings)).size > 1);
  return element(
    "div",
    { class: "answer", "data-verdict": verdict },
    element("h3", { class: verdict }, verdict === "works" ? "It works" : verdict === "fails" ? "It fails" : "Unknown"),
    together.length
      ? element(
          "p",
          {},
          "It depends on the board's stepping; give its revision code to know which one yours is.",
        )
      : null,
    boards.map((judged, number) => {
      const goals = Object.entries(judged.goals).sort(
        ([, a], [, b]) => ORDER.indexOf(a.verdict) - ORDER.indexOf(b.verdict),
      );
      return element(
        "section",
        { class: "board" },
        element("h3", {}, titles[number]),
        element(
          "p",
          { class: "quiet" },
          `${judged.kernel}, ${judged.dtb ? judged.dtb.split("/").pop() : "no devicetree"}`,
        ),
        goals.map(([name, one]) => goal(name, one, pictures[number][name])),
      );
    }),
    (check.notes || []).map((note) => element("p", { class: "quiet" }, "Note: ", prose(note))),
  );
}
