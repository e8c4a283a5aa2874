// Put before the worker's own start by a test (support/lab.mjs): counts what is asked of WebGPU, remembers device and
// memory, and can do harm on request. Reached as `probe` in the worker.

const count = { dispatches: 0, pipelines: 0, submits: 0, buffers: 0, bytes: 0 };
const probe = { count, sent: [], devices: [], memory: null, breakPipelines: false };
const destroyed = new WeakSet();
globalThis.probe = probe;

function before(type, method, note) {
  const original = type?.prototype[method];
  if (!original) return;
  type.prototype[method] = function (...args) {
    const replaced = note.call(this, args);
    return original.apply(this, replaced ?? args);
  };
}

before(globalThis.GPUComputePassEncoder, "dispatchWorkgroups", () => void count.dispatches++);
before(globalThis.GPUComputePassEncoder, "dispatchWorkgroupsIndirect", () => void count.dispatches++);
before(globalThis.GPUDevice, "createComputePipeline", () => void count.pipelines++);
before(globalThis.GPUDevice, "createComputePipelineAsync", () => void count.pipelines++);
before(globalThis.GPUQueue, "submit", () => void count.submits++);
before(globalThis.GPUDevice, "createBuffer", ([{ size }]) => {
  count.buffers++;
  count.bytes += size;
});
before(globalThis.GPUBuffer, "destroy", function () {
  if (!destroyed.has(this)) count.bytes -= this.size;
  destroyed.add(this);
});

// A kernel whose shader the browser rejects, in place of whatever comes next.
before(globalThis.GPUComputePassEncoder, "setPipeline", () => {
  if (!probe.breakPipelines) return undefined;
  probe.breakPipelines = false;
  const device = probe.devices.at(-1);
  const module = device.createShaderModule({ code: "@compute fn main() { this is no shader }" });
  return [device.createComputePipeline({ layout: "auto", compute: { module, entryPoint: "main" } })];
});

const requestDevice = globalThis.GPUAdapter?.prototype.requestDevice;
if (requestDevice) {
  globalThis.GPUAdapter.prototype.requestDevice = async function (...args) {
    const device = await requestDevice.apply(this, args);
    probe.devices.push(device);
    return device;
  };
}

for (const name of ["instantiate", "instantiateStreaming"]) {
  const original = WebAssembly[name];
  WebAssembly[name] = async (...args) => {
    const made = await original.apply(WebAssembly, args);
    probe.memory = (made.instance ?? made).exports.memory;
    return made;
  };
}

// What had been asked of the GPU when a step was sent to the page, or a save, whose own reads are no step's work.
const post = globalThis.postMessage;
globalThis.postMessage = function (message, ...more) {
  const text = Array.isArray(message) ? message[0] : null;
  if (typeof text === "string" && /^\{"message":"(events|saved)"/.test(text)) {
    const { message: kind, step, events = [{ event: kind, step }] } = JSON.parse(text);
    for (const event of events) {
      probe.sent.push({ event: event.event, step: event.step, at: performance.now(), ...count });
    }
  }
  return post.call(globalThis, message, ...more);
};

const { default: init } = await import(`./${self.name}.js`);
await init();
