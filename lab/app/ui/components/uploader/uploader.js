// Sends files straight to disk: nothing is held in memory, here or there.
export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".uploader");
  root.report = (paths) => setTriggerValue("uploaded", paths);
  root.limit = data.limit_bytes;
  if (root.ready) return;
  root.ready = true;
  const input = root.querySelector("input"), list = root.querySelector("ul"), drop = root.querySelector("label");
  const send = (file) => new Promise((resolve) => {
    const bar = document.createElement("progress"), text = document.createElement("span"), item = document.createElement("li");
    bar.max = 1; bar.value = 0;
    item.append(`${file.name} `, bar, " ", text);
    list.append(item);
    const stop = (words) => { text.textContent = words; text.className = "error"; resolve(null); };
    if (file.size > root.limit) { stop(`is larger than the limit of ${Math.round(root.limit / 2 ** 20)} MiB`); return; }
    const request = new XMLHttpRequest();
    request.open("PUT", `/api/uploads/${encodeURIComponent(file.name)}`);
    request.upload.onprogress = (e) => { bar.value = e.loaded / e.total; text.textContent = `${(e.loaded / 2 ** 20).toFixed(0)} of ${(e.total / 2 ** 20).toFixed(0)} MiB`; };
    request.onload = () => { if (request.status === 200) { bar.value = 1; text.textContent = "stored"; resolve(JSON.parse(request.responseText).path); } else stop(request.responseText); };
    request.onerror = () => stop("the connection was lost; try again");
    request.send(file);
  });
  const sendAll = async (files) => {
    list.replaceChildren();
    const paths = [];
    for (const file of files) paths.push(await send(file));
    input.value = "";
    const kept = paths.filter(Boolean);
    if (kept.length) root.report(kept);
  };
  input.onchange = () => sendAll([...input.files]);
  drop.ondragover = (e) => e.preventDefault();
  drop.ondrop = (e) => { e.preventDefault(); sendAll([...e.dataTransfer.files]); };
}
