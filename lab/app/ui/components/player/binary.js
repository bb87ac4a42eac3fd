// Arrays in an answer, as lab/app/server/binary.py packs them.
const TYPES = {
  float64: Float64Array,
  float32: Float32Array,
  int32: Int32Array,
  int16: Int16Array,
  uint16: Uint16Array,
  uint8: Uint8Array,
};

// The header, with the arrays by name; they lie in the buffer, nothing is copied.
export function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const begin = 4 + length;
  const arrays = {};
  for (const [name, [kind, at, count]] of Object.entries(header.arrays)) {
    arrays[name] = new TYPES[kind](buffer, begin + at, count);
  }
  return { ...header, arrays };
}
