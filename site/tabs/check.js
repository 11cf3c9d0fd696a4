// Check: an image, kernel, devicetree or folder in; per goal the verdict, what breaks first, and the chain out.
import { element, droppedFiles, pickedFiles } from "../dom.js";
import { asking } from "../asking.js";
import { Failure } from "../engine.js";
import { judgedBoards } from "../verdicts.js";

const AUTOMATIC = "automatic"; // as tabs/check.html has it

const size = (bytes) => {
  const units = ["bytes", "kB", "MB", "GB"];
  const power = bytes ? Math.min(3, Math.floor(Math.log10(bytes) / 3)) : 0;
  return `${power ? (bytes / 1000 ** power).toFixed(1) : bytes} ${units[power]}`;
};

export function start(panel, engine) {
  const by = (name) => panel.querySelector(`#check-${name}`);
  const result = by("result");
  let picked = [];
  // The last of those that come with the page is the newest: devicetrees alone are held against it.
  const kernels = by("kernel");
  const newest = kernels ? kernels.options[kernels.options.length - 1].value : "";

  const show = () => {
    // A folder is one line.
    const tops = new Map();
    for (const { path, file } of picked) {
      const [top, ...below] = path.split("/");
      const row = tops.get(top) || { bytes: 0, files: 0, folder: below.length > 0 };
      row.bytes += file.size;
      row.files += 1;
      tops.set(top, row);
    }
    by("picked").replaceChildren(
      ...[...tops].map(([name, { bytes, files, folder }]) =>
        element("li", {}, `${name}${folder ? `/, ${files} files` : ""}, ${size(bytes)}`),
      ),
    );
    by("clear").hidden = !picked.length;
  };
  const add = (files) => {
    const paths = new Set(files.map(({ path }) => path));
    const again = picked.filter(({ path }) => paths.has(path)).length;
    picked = [...picked.filter(({ path }) => !paths.has(path)), ...files];
    show();
    const said = again ? `${again === 1 ? "A file" : `${again} files`} of the same name picked before: replaced.` : "";
    by("progress").replaceChildren(...(said ? [element("p", {}, said)] : []));
  };
  for (const name of ["files", "folder"]) {
    by(name).addEventListener("change", (event) => {
      add(pickedFiles(event.target));
      event.target.value = "";
    });
  }
  by("clear").addEventListener("click", () => {
    picked = [];
    show();
    by("files").focus();
  });
  panel.addEventListener("dragover", (event) => {
    event.preventDefault();
    panel.classList.add("over");
  });
  panel.addEventListener("dragleave", () => panel.classList.remove("over"));
  panel.addEventListener("drop", async (event) => {
    event.preventDefault();
    panel.classList.remove("over");
    const files = await droppedFiles(event.dataTransfer);
    add(files);
    if (!files.length) by("progress").replaceChildren(element("p", {}, "There is no file in it."));
  });

  const ask = asking(engine, { form: by("form"), cancel: by("cancel"), progress: by("progress"), result });
  by("form").addEventListener("submit", (event) => {
    event.preventDefault();
    const request = {};
    for (const name of ["board", "revision", "os", "entry", "cmdline"]) request[name] = by(name).value;
    const chosen = kernels?.value || "";
    request.has_kernels = Boolean(newest);
    request.images = Object.fromEntries(
      [...(kernels?.options || [])].filter((option) => option.dataset.image).map((option) => [option.value, option.dataset.image]));
    request.may_add_kernel = Boolean(newest) && chosen === AUTOMATIC;
    // A kernel whose facts lie beside the page: a few hundred kilobytes, fetched when it is first asked for.
    const withKernel = async (kernel) => {
      const response = await fetch(new URL(`../kernels/${kernel}.facts`, import.meta.url));
      if (!response.ok) throw new Failure({ message: `the kernel's facts are not there (${response.status})`, hint: "load the page again" });
      return [{ path: `${kernel}.facts`, file: await response.blob() }, ...picked];
    };
    const files = () => (chosen && chosen !== AUTOMATIC ? withKernel(chosen) : picked);
    const shown = (answer) => [judgedBoards(answer)];
    ask("check", request, files, shown, async (answer) => {
      if (answer.needs_kernel) return [{ ...request, may_add_kernel: false }, await withKernel(newest)];
      if (answer.needs_facts) return [{ ...request, facts: `${answer.needs_facts}.facts` }, await withKernel(answer.needs_facts)];
      return null;
    });
  });
}
