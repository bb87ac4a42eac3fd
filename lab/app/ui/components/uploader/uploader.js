// Streams files to the server's disk without holding them in memory.
const MIB = 2 ** 20;
const TRIES = 3;
const LOST = "the connection was lost; try again";

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".uploader");
  parentElement.uploader ||= new Uploader(root);
  Object.assign(parentElement.uploader, {
    report: (paths) => setTriggerValue("uploaded", paths),
    limit_bytes: data.limit_bytes,
    analyses: data.analyses ?? null,
  });
  root.classList.toggle("compact", Boolean(data.is_compact));
  parentElement.uploader.answer(data.answers ?? {});
}

export class Uploader {
  constructor(root) {
    this.input = root.querySelector("input");
    this.list = root.querySelector("ul");
    this.count = root.querySelector("output");
    this.input.onchange = () => this.sendAll([...this.input.files]);
    this.waiting = new Map();
    const drop = root.querySelector("label");
    drop.ondragover = (event) => {
      event.preventDefault();
      drop.classList.add("over");
    };
    drop.ondragleave = () => drop.classList.remove("over");
    drop.ondrop = (event) => {
      event.preventDefault();
      drop.classList.remove("over");
      this.sendAll([...event.dataTransfer.files], foldersAmong(event.dataTransfer.items));
    };
  }

  // What became of files that were sent, by where they were put: an empty text, or why not.
  answer(answers) {
    for (const [path, text] of this.waiting) {
      if (!(path in answers)) continue;
      text.textContent = answers[path] ? `not added: ${answers[path]}` : "added";
      text.className = answers[path] ? "error" : "";
      this.waiting.delete(path);
    }
  }

  // One after the other; those that arrived are reported together. folders: names of files that
  // are none.
  async sendAll(files, folders = new Set()) {
    this.list.replaceChildren();
    this.waiting.clear();
    const paths = [];
    for (const [i, file] of files.entries()) {
      this.count.textContent = files.length > 1 ? `${i + 1} of ${files.length} files` : "";
      paths.push(await this.send(file, folders.has(file.name)));
    }
    this.input.value = "";
    const arrived = paths.filter(Boolean);
    if (arrived.length) this.report(arrived);
  }

  // Where the file was put, or null with the reason shown. Whether it can be used is not known yet.
  async send(file, isFolder = false) {
    const bar = document.createElement("progress");
    const text = document.createElement("span");
    const item = document.createElement("li");
    bar.max = 1;
    bar.value = 0;
    const name = document.createElement("bdi");
    name.textContent = file.name;
    item.append(name, " ", bar, " ", text);
    this.list.append(item);
    try {
      if (isFolder) throw new Error("is a folder; drop the videos in it, or choose the folder");
      if (file.size > this.limit_bytes) {
        throw new Error(`is larger than the limit of ${Math.round(this.limit_bytes / MIB)} MiB`);
      }
      const place = placeOf(file, this.analyses);
      const stop = this.analyses ? watch(place, item) : () => {};
      const path = await putAll(place, file, (loaded, total) => {
        bar.value = loaded / total;
        text.textContent = `${(loaded / MIB).toFixed(0)} of ${(total / MIB).toFixed(0)} MiB`;
      }).finally(stop);
      bar.value = 1;
      text.textContent = "received, being checked…";
      this.waiting.set(path, text);
      return path;
    } catch (problem) {
      text.textContent = problem.message;
      text.className = "error";
      return null;
    }
  }
}

// A browser lists a folder that is dropped as a file, which it then cannot read.
function foldersAmong(items) {
  const entries = [...(items ?? [])].map((item) => item.webkitGetAsEntry?.());
  return new Set(entries.filter((one) => one?.isDirectory).map((one) => one.name));
}

// What a refusal says: a text, or that of a problem+json.
function reasonOf(text) {
  try {
    return JSON.parse(text).detail ?? text;
  } catch {
    return text;
  }
}

// Where a file is sent to. analyses: what is to be seen in it while it comes, as JSON, or null.
function placeOf(file, analyses) {
  const name = encodeURIComponent(file.name);
  if (!analyses) return { address: `/api/uploads/${name}` };
  // crypto.randomUUID is there over https and on localhost alone.
  const id = [Date.now(), Math.random(), Math.random()].map((x) => x.toString(36).slice(-10));
  const known = `/api/uploads/${id.join("-").replaceAll(".", "")}`;
  return { known, address: `${known}?name=${name}&analyses=${encodeURIComponent(analyses)}` };
}

// Shows the way to the run of a file that is still being sent, once there is one.
function watch(place, item, everyMs = 1000) {
  let isOver = false;
  let timer = setTimeout(look, everyMs);
  async function look() {
    try {
      const answer = await fetch(place.known);
      const run = answer.ok ? (await answer.json()).run_ids[0] : null;
      if (run) {
        const link = document.createElement("a");
        link.href = `/review?run=${encodeURIComponent(run)}`;
        link.target = "_blank"; // leaving the page would end the upload
        link.textContent = "watch it in Review";
        item.append(" ", link);
        return;
      }
    } catch {
      // The upload itself says what is wrong.
    }
    if (!isOver) timer = setTimeout(look, everyMs);
  }
  return () => {
    isOver = true;
    clearTimeout(timer);
  };
}

// Of a connection, not of the file: it may be gone on with.
class LostError extends Error {}

// One that has an address of its own is gone on with where the connection was lost, and what cannot
// be is given up, so that it does not count among those that are not complete.
async function putAll(place, file, showProgress) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      if (!attempt) return await put(place, file, null, showProgress);
      const known = await lookUp(place);
      if (known.state === "complete") return known.path;
      return await put(place, file, known.bytes, showProgress);
    } catch (problem) {
      if (!place.known) throw problem;
      if (!(problem instanceof LostError) || attempt === TRIES) {
        fetch(place.known, { method: "DELETE" }).catch(() => {});
        throw problem;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 1000 * 2 ** attempt));
  }
}

async function lookUp(place) {
  try {
    const answer = await fetch(place.known);
    if (answer.status === 404) return { bytes: 0 }; // nothing of it has come
    if (answer.ok) return await answer.json();
  } catch {
    // The next try may get through.
  }
  throw new LostError(LOST);
}

// from: the byte to go on at; null to begin. fetch does not report upload progress.
function put(place, file, from, showProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", place.address);
    if (from !== null) {
      request.setRequestHeader("Content-Range", `bytes ${from}-${file.size - 1}/${file.size}`);
    }
    request.upload.onprogress = (event) => showProgress(from + event.loaded, from + event.total);
    request.onload = () => {
      const isHeld = from !== null && request.status === 409; // by the connection that was lost
      if (request.status === 200) resolve(JSON.parse(request.responseText).path);
      else reject(new (isHeld ? LostError : Error)(reasonOf(request.responseText)));
    };
    request.onerror = () => reject(new LostError(LOST));
    request.send(from ? file.slice(from) : file);
  });
}
