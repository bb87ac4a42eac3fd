import { pack } from "./packing.js";

// A server whose answers a test gives one by one, in the order it likes.
export class FakeServer {
  constructor() {
    this.requests = [];
    globalThis.fetch = (address, options = {}) => this.receive(address, options);
  }

  receive(address, { method = "GET", body, signal }) {
    const request = { address, method, body: body && JSON.parse(body), signal };
    const answered = new Promise((resolve, reject) => Object.assign(request, { resolve, reject }));
    signal?.addEventListener("abort", () => request.reject(signal.reason));
    this.requests.push(request);
    return answered;
  }

  // The requests to an address that begins so, oldest first.
  to(start, method) {
    return this.requests.filter(
      (r) => r.address.startsWith(start) && (!method || r.method === method),
    );
  }

  // Answer a request; the body comes at once, or when the test calls what this gives back.
  async answer(request, body, { status = 200, holdBody = false } = {}) {
    let send = () => {};
    const held = new Promise((resolve) => {
      send = resolve;
    });
    if (!holdBody) send();
    const read = async (shape) => {
      await held;
      return shape(body);
    };
    request.resolve({
      ok: status < 400,
      status,
      json: () => read((value) => structuredClone(value)),
      text: () => read(String),
      arrayBuffer: () => read((value) => pack(value)),
    });
    await settle();
    return async () => {
      send();
      await settle();
    };
  }
}

// Let everything that waits for a promise go on.
export async function settle() {
  for (let i = 0; i < 20; i++) await Promise.resolve();
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
}
