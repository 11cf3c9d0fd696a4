// The page: tabs, the state of Python, the service worker.
import { Engine } from "./engine.js";

const engine = new Engine();

// Tabs as in the ARIA Authoring Practices: arrows move, the address keeps which is shown.
function tabs() {
  const list = document.querySelector('[role="tablist"]');
  const all = [...list.querySelectorAll('[role="tab"]')];
  const started = new Set();
  const show = async (tab, focus) => {
    for (const other of all) {
      const chosen = other === tab;
      other.setAttribute("aria-selected", String(chosen));
      other.tabIndex = chosen ? 0 : -1;
      document.getElementById(other.getAttribute("aria-controls")).hidden = !chosen;
    }
    if (focus) tab.focus();
    const name = tab.dataset.tab;
    if (started.has(name)) return;
    started.add(name);
    const module = await import(`./tabs/${name}.js`);
    module.start(document.getElementById(name), engine);
  };
  const named = () => all.find((tab) => `#${tab.dataset.tab}` === location.hash) || all[0];
  const choose = (tab, focus) => {
    history.replaceState(null, "", `#${tab.dataset.tab}`);
    show(tab, focus);
  };
  for (const tab of all) tab.addEventListener("click", () => choose(tab, false));
  list.addEventListener("keydown", (event) => {
    const at = all.indexOf(document.activeElement);
    const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (at < 0 || next === undefined) return;
    event.preventDefault();
    choose(all[(next + all.length) % all.length], true);
  });
  window.addEventListener("hashchange", () => show(named(), false));
  return show(named(), false);
}

function state() {
  const place = document.getElementById("engine");
  const text = place.querySelector("p");
  const bar = place.querySelector("progress");
  engine.onState((now) => {
    place.dataset.state = now.kind;
    bar.hidden = now.kind !== "loading";
    if (now.kind === "loading") {
      text.textContent = `${now.text} …`;
      bar.max = now.total;
      bar.value = now.done;
    }
    if (now.kind === "ready") text.textContent = "Ready. Nothing that you give leaves this computer.";
    if (now.kind === "broken") text.textContent = now.message;
  });
}

async function keep() {
  if (!("serviceWorker" in navigator)) return;
  try {
    await navigator.serviceWorker.register("service-worker.js");
  } catch {
    // A private window or a file: the page works, only not without a network.
  }
}

state();
await tabs();
engine.start();
keep();
