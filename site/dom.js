// Elements made without markup: text is text, whatever a log holds.

export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "class") made.className = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

// The command line's sentences as the page says them: each answer brings its own (browser/words.py).
const WORDS = new Map();

export function learn(words) {
  for (const [text, said] of Object.entries(words)) WORDS.set(text, said);
}

// A sentence of bootwright's, in the page's words: what stands between backticks is code.
export function prose(text) {
  return (WORDS.get(text) ?? text).split("`").map((part, index) => (index % 2 ? element("code", {}, part) : part));
}

// What macOS writes into every folder is nobody's artifact.
const OF_SYSTEMS = /^(\.DS_Store|\._.*|\.Spotlight-V100|\.Trashes|\.fseventsd)$/;
const isOfSystems = ({ path }) => path.split("/").some((part, depth) => depth > 0 && OF_SYSTEMS.test(part));

// Files of a drop: [{path, file}], folders with all that is in them.
export async function droppedFiles(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => ({ path: file.name, file }));
  const files = [];
  const walk = async (entry, folder) => {
    const path = `${folder}${entry.name}`;
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      files.push({ path, file });
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) return;
      for (const inner of some) await walk(inner, `${path}/`);
    }
  };
  for (const entry of entries) await walk(entry, "");
  return files.filter((given) => !isOfSystems(given));
}

// Files of an <input type="file">, also of one with webkitdirectory.
export function pickedFiles(input) {
  const files = [...input.files].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
  return files.filter((given) => !isOfSystems(given));
}

// Drops anywhere in a panel, shown while something is held over it.
export function takesDrops(panel, take) {
  let depth = 0;
  const over = (change) => {
    depth = Math.max(0, depth + change);
    panel.classList.toggle("over", depth > 0);
  };
  const holdsFiles = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
  panel.addEventListener("dragenter", (event) => holdsFiles(event) && over(1));
  panel.addEventListener("dragleave", (event) => holdsFiles(event) && over(-1));
  panel.addEventListener("dragover", (event) => holdsFiles(event) && event.preventDefault());
  panel.addEventListener("drop", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    depth = 0;
    over(0);
    take(event.dataTransfer);
  });
}
