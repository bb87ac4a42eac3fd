// Arrays in an answer, as lab/app/server/binary.py packs them.
const KINDS = {
  Float64Array: "float64",
  Float32Array: "float32",
  Int32Array: "int32",
  Int16Array: "int16",
  Uint16Array: "uint16",
  Uint8Array: "uint8",
};

export function pack({ arrays = {}, ...header }) {
  const placed = {};
  let at = 0;
  for (const [name, values] of Object.entries(arrays)) {
    placed[name] = [KINDS[values.constructor.name], at, values.length];
    at += Math.ceil(values.byteLength / 8) * 8;
  }
  let text = JSON.stringify({ ...header, arrays: placed });
  const length = new TextEncoder().encode(text).length;
  text += " ".repeat((8 - ((length + 4) % 8)) % 8);
  const head = new TextEncoder().encode(text);
  const buffer = new ArrayBuffer(4 + head.length + at);
  new DataView(buffer).setUint32(0, head.length, true);
  new Uint8Array(buffer).set(head, 4);
  for (const [name, values] of Object.entries(arrays)) {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    new Uint8Array(buffer).set(bytes, 4 + head.length + placed[name][1]);
  }
  return buffer;
}
