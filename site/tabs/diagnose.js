// Diagnose: logs in; findings with the lines that prove them out, and the log beside with those lines marked.
import { element, droppedFiles, pickedFiles, prose, takesDrops } from "../dom.js";
import { Running, shownFailure } from "../running.js";

const SERIOUS = new Set(["fatal", "degrading"]);
export function start(panel, engine) {
  const form = panel.querySelector("form");
  const text = panel.querySelector("textarea");
  const input = panel.querySelector('input[type="file"]');
  const result = panel.querySelector("#diagnose-result");
  const running = new Running(engine, panel.querySelector("#diagnose-progress"), panel.querySelector("#diagnose-cancel"));

  const diagnose = async (files) => {
    if (!files.length) {
      running.say("There is no file in it.");
      return;
    }
    result.replaceChildren();
    try {
      const answer = await running.ask("diagnose", {}, files);
      if (answer) show(result, answer, files, running);
    } catch (error) {
      result.replaceChildren(shownFailure(error));
    }
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!text.value.trim()) {
      running.say("There is no log yet: paste one, or pick a file.");
      text.focus();
      return;
    }
    diagnose([{ path: "pasted log", file: new Blob([text.value]) }]);
  });
  input.addEventListener("change", () => {
    const files = pickedFiles(input);
    input.value = ""; // the same file may be picked again, when it has grown
    if (files.length) diagnose(files);
  });
  takesDrops(panel, async (transfer) => diagnose(await droppedFiles(transfer)));
}

function show(result, { diagnosis, logs, left_out: leftOut }, files, running) {
  const logViews = new Map(logs.map((log) => [log.source, logView(log)]));
  const jump = (source, number, from) => logViews.get(source)?.jump(number, from);
  const heading = element("h3", { tabindex: "-1" },
    element("span", { class: `badge ${diagnosis.outcome}` }, diagnosis.outcome), ` ${diagnosis.says}`);
  const left = element("div", {},
    heading,
    leftOut.map(({ message, hint }) =>
      element("p", { class: "left-out" }, "Left out: ", prose(message), hint ? [" (", prose(hint), ")"].flat() : null)),
    diagnosis.boots_left_out ? element("p", {}, `${diagnosis.boots_left_out} boots in the middle are left out.`) : null,
    diagnosis.boots.map((boot) => bootView(boot, diagnosis.boots.length > 1 || logs.length > 1, jump, logViews)),
    handOver(files, running));
  const right = element("div", { class: "logs" }, [...logViews.values()].map((view) => view.node));
  result.replaceChildren(element("div", { class: "beside" }, left, right));
  for (const view of logViews.values()) view.first();
  heading.focus({ preventScroll: true });
  heading.scrollIntoView({ block: "nearest" });
}

function bootView(boot, several, jump, logViews) {
  const mark = (line, severity) => logViews.get(boot.source)?.mark(line.number, severity);
  const serious = boot.findings.filter((finding) => SERIOUS.has(finding.severity));
  const others = boot.findings.filter((finding) => !SERIOUS.has(finding.severity));
  for (const finding of [...others, ...serious]) for (const line of finding.lines) mark(line, finding.severity);
  const level = several ? 5 : 4; // of the headings below the boot's own
  const head = several
    ? element("h4", {}, `${boot.source}, lines ${boot.first_line}–${boot.last_line}: `, element("span", { class: boot.outcome }, boot.outcome))
    : null;
  return element("section", { class: "boot" },
    head,
    element("p", {}, "Got as far as ", element("b", {}, boot.stage), boot.restarted ? ", then the machine restarted." : "."),
    boot.stages.length ? element("ol", { class: "stages" }, boot.stages.map((stage) => element("li", {}, `${stage.label} `,
      element("small", {}, `(line ${stage.line}${stage.time === null ? "" : `, ${stage.time.toFixed(2)} s`})`)))) : null,
    evidenceView(boot.evidence),
    serious.map((finding) => findingView(finding, boot, jump, level)),
    others.length ? element("details", { open: !serious.length },
      element("summary", {}, `Not failures (${others.length})`),
      element("ul", {}, others.map((finding) => element("li", {},
        element("span", { class: finding.severity }, finding.severity), `: ${finding.cause} `,
        finding.lines.length ? lineButton(finding.lines[0], boot.source, jump) : null)))) : null,
    boot.gaps.length ? [element(`h${level}`, {}, "What the log cannot say"),
      element("dl", {}, boot.gaps.map((gap) => [element("dt", {}, prose(gap.missing)), element("dd", {}, prose(gap.get_it))]).flat())] : null);
}

function findingView(finding, boot, jump, level) {
  const { source } = boot;
  // What another finding is called, and the line that proves it.
  const called = (signature) => {
    const other = boot.findings.find((candidate) => candidate.signature === signature);
    if (!other) return signature;
    return other.lines.length ? `${other.title} (line ${other.lines[0].number})` : other.title;
  };
  const rows = [
    ["Breaks", prose(finding.breaks)],
    ["Next", prose(finding.remedy)],
    ["To see more, boot with", finding.kernel_arguments && element("code", {}, finding.kernel_arguments)],
    ["Led to", finding.explains.map(called).join(", ")],
    ["See", finding.sources.join("; ")],
    ["Limits", prose(finding.limits)],
  ].filter(([, value]) => value && value.length !== 0 && value[0] !== "");
  return element("article", { class: `finding ${finding.severity}-edge` },
    element(`h${level}`, {}, element("span", { class: finding.severity }, finding.severity), `: ${finding.title}`),
    finding.caused_by ? element("p", {}, "Follows from ", element("b", {}, called(finding.caused_by)), ".") : null,
    element("p", {}, prose(finding.cause)),
    element("ul", { class: "proof", "aria-label": "Lines that prove it" },
      finding.lines.map((line) => element("li", {}, lineButton(line, source, jump)))),
    finding.evidence.length ? [element(`h${level + 1}`, {}, "What the image says"), evidenceView(finding.evidence)] : null,
    element("dl", {}, rows.map(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]).flat()));
}

function lineButton(line, source, jump) {
  return element("button", { type: "button", class: "line", title: "Show it in the log", onclick: (event) => jump(source, line.number, event.currentTarget) },
    element("span", { class: "number" }, `${line.number} `), element("code", {}, line.text));
}

function evidenceView(evidence) {
  if (!evidence.length) return null;
  return element("ul", { class: "evidence" }, evidence.map((row) => element("li", {},
    element("b", { class: row.stance }, row.stance), `: ${row.says} `, element("small", {}, row.where))));
}

// The log with its lines marked. Rows are made at once; what is out of sight costs no layout.
function logView(log) {
  const rows = new Map();
  const list = element("div", { class: "log", role: "region", tabindex: "0", "aria-label": `The log ${log.source}` });
  let before = 0;
  for (const [number, text] of log.lines) {
    if (number > before + 1 && before) list.append(element("div", { class: "gap" }, `… ${number - before - 1} lines …`));
    const row = element("div", { class: "row-of-log" }, element("span", { class: "number" }, String(number)), element("code", {}, text));
    rows.set(number, row);
    list.append(row);
    before = number;
  }
  const numbers = [...rows.keys()];
  // Of a line that a terminal wrapped, the number may be that of a later piece.
  const rowOf = (number) => rows.get(number) || rows.get(numbers.findLast((known) => known <= number));
  const marked = [];
  let from = null; // the proof that led here
  const back = element("button", { type: "button", class: "back", hidden: true, onclick: () => from?.focus() }, "Back to the finding");
  list.addEventListener("keydown", (event) => event.key === "Escape" && from?.focus());
  const node = element("section", {}, element("div", { class: "row" },
    element("h4", {}, log.source, " ", element("small", {}, `${log.total} lines`)), back), list);
  const into = (row) => {
    list.scrollTop = row.offsetTop - list.offsetTop - list.clientHeight / 3;
  };
  return {
    node,
    mark(number, severity) {
      const row = rowOf(number);
      if (!row) return;
      row.classList.remove("fatal-line", "degrading-line", "info-line", "harmless-line");
      row.classList.add("marked", `${severity}-line`);
      row.dataset.mark = severity;
      marked.push([SERIOUS.has(severity) ? 0 : 1, row]);
    },
    jump(number, proof) {
      const row = rowOf(number);
      if (!row) return;
      from = proof;
      back.hidden = false;
      for (const other of list.querySelectorAll(".now")) other.classList.remove("now");
      row.classList.add("now");
      into(row);
      row.tabIndex = -1;
      row.focus({ preventScroll: true });
      node.scrollIntoView({ block: "nearest" });
    },
    first() {
      const row = marked.sort(([a], [b]) => a - b)[0]?.[1];
      if (row) into(row);
    },
  };
}

// The result as a file, made in the worker: nothing is sent anywhere.
function handOver(files, running) {
  const box = element("input", { type: "checkbox", id: "diagnose-redact" });
  const place = element("span", { role: "status" });
  let address = null;
  const make = async () => {
    place.replaceChildren();
    if (address) URL.revokeObjectURL(address);
    address = null;
    try {
      const answer = await running.ask("diagnose", { report: true, redact: box.checked }, files);
      if (!answer) return;
      const file = new Blob([answer.report], { type: "text/html" });
      address = URL.createObjectURL(file);
      place.replaceChildren(element("a", { href: address, download: "bootwright-diagnosis.html", id: "diagnose-save" },
        `Save bootwright-diagnosis.html (${Math.ceil(file.size / 1000)} kB)`));
    } catch (error) {
      place.replaceChildren(shownFailure(error));
    }
  };
  box.addEventListener("change", () => place.replaceChildren());
  return element("section", { class: "hand-over" },
    element("h4", {}, "Hand it to others"),
    element("p", {}, "One file with the findings and their lines, made on this computer. Look through it before you pass it on."),
    element("p", {}, box, " ", element("label", { for: "diagnose-redact" }, "Strike out MAC addresses, serial numbers, tokens and host names")),
    element("div", { class: "row" }, element("button", { type: "button", id: "diagnose-make", onclick: make }, "Make the file"), place));
}
