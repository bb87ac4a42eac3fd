// Streams files to the server's disk without holding them in memory.
const MIB = 2 ** 20;

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".uploader");
  parentElement.uploader ||= new Uploader(root);
  Object.assign(parentElement.uploader, {
    report: (paths) => setTriggerValue("uploaded", paths),
    limit_bytes: data.limit_bytes,
  });
}

export class Uploader {
  constructor(root) {
    this.input = root.querySelector("input");
    this.list = root.querySelector("ul");
    this.input.onchange = () => this.sendAll([...this.input.files]);
    const drop = root.querySelector("label");
    drop.ondragover = (event) => event.preventDefault();
    drop.ondrop = (event) => {
      event.preventDefault();
      this.sendAll([...event.dataTransfer.files]);
    };
  }

  // One after the other; those that were stored are reported together.
  async sendAll(files) {
    this.list.replaceChildren();
    const paths = [];
    for (const file of files) paths.push(await this.send(file));
    this.input.value = "";
    const stored = paths.filter(Boolean);
    if (stored.length) this.report(stored);
  }

  // Where the file was stored, or null with the reason shown.
  async send(file) {
    const bar = document.createElement("progress");
    const text = document.createElement("span");
    const item = document.createElement("li");
    bar.max = 1;
    bar.value = 0;
    item.append(`${file.name} `, bar, " ", text);
    this.list.append(item);
    try {
      if (file.size > this.limit_bytes) {
        throw new Error(`is larger than the limit of ${Math.round(this.limit_bytes / MIB)} MiB`);
      }
      const path = await put(file, (loaded, total) => {
        bar.value = loaded / total;
        text.textContent = `${(loaded / MIB).toFixed(0)} of ${(total / MIB).toFixed(0)} MiB`;
      });
      bar.value = 1;
      text.textContent = "stored";
      return path;
    } catch (problem) {
      text.textContent = problem.message;
      text.className = "error";
      return null;
    }
  }
}

// fetch does not report upload progress.
function put(file, showProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", `/api/uploads/${encodeURIComponent(file.name)}`);
    request.upload.onprogress = (event) => showProgress(event.loaded, event.total);
    request.onload = () => {
      if (request.status === 200) resolve(JSON.parse(request.responseText).path);
      else reject(new Error(request.responseText));
    };
    request.onerror = () => reject(new Error("the connection was lost; try again"));
    request.send(file);
  });
}
