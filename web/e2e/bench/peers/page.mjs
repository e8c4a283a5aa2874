// The page of the benchmark: the lab's worker, asked as the lab's page asks it, and the workers of its peers. Nothing
// is drawn. The functions that the benchmark calls are the window's.

const CODE = new URL("./", import.meta.url);

/** The lab's worker on one thread; `lab` is where it is served. */
class Ours {
  constructor(lab) {
    this.waiting = null;
    this.worker = new Worker(`${lab}start-worker.js`, { type: "module", name: "apt-worker" });
    this.worker.onmessage = ({ data: [text] }) => this.take(JSON.parse(text));
    this.worker.onerror = (event) => this.waiting?.reject(new Error(event.message));
  }

  take(message) {
    if (["fault", "panic"].includes(message.message)) this.waiting?.reject(new Error(JSON.stringify(message)));
    const step = message.events?.findLast(({ event }) => event === "step")?.step;
    if (step) window.stepMade(step);
    if (message.message === this.waiting?.kind && this.waiting.is(message)) this.waiting.resolve(message);
  }

  /** The next message of this kind that is as wanted; a fault that comes instead is the error. */
  next(kind, is = () => true) {
    return new Promise((resolve, reject) => (this.waiting = { kind, is, resolve, reject }));
  }

  /** Posts a command with attachments, and waits for the message that answers it. */
  ask(command, answer, { is, attachments = [] } = {}) {
    const answered = this.next(answer, is);
    this.worker.postMessage([JSON.stringify(command), ...attachments]);
    return answered;
  }

  /** Keeps texts under a name. */
  async keep(name, folder) {
    const read = async (file) => new File([await (await fetch(`${folder}/data/${file}`)).blob()], file);
    const files = await Promise.all(["train.csv", "validation.csv"].map(read));
    await this.ask({ command: "keep_files", name, knobs: { task: "text" } }, "files", { attachments: files });
  }

  /** A run from its beginning to its end: the record. */
  async run(knobs) {
    return (await this.ask(start(knobs), "recorded")).record;
  }

  /** Opens a run that holds after its first steps. */
  async hold(knobs) {
    await this.ask(start(knobs), "events", { is: has("step") });
    await this.ask({ command: "pause" }, "run", { is: ({ state }) => state === "paused" });
  }

  /** Has the open run evaluate. */
  evaluate() {
    return this.ask({ command: "evaluate" }, "events", { is: has("evaluation") });
  }

  close() {
    return this.ask({ command: "stop" }, "run", { is: ({ state }) => state === "closed" });
  }
}

const has = (kind) => ({ events }) => events.some(({ event }) => event === kind);

function start(knobs) {
  const nothing = { state: "loading", step: 0, steps: 0, device: "", backend: "" };
  return { command: "start", run: { name: "bench", preset: "lora", knobs, began: Date.now(), ...nothing } };
}

/** Another program in a worker of its own. */
class Peer {
  constructor() {
    this.worker = new Worker(new URL("worker.mjs", CODE), { type: "module" });
  }

  ask(question) {
    return new Promise((resolve, reject) => {
      this.worker.onmessage = ({ data: { done, error } }) => (error ? reject(new Error(error)) : resolve(done));
      this.worker.onerror = (event) => reject(new Error(event.message));
      this.worker.postMessage(question);
    });
  }
}

let ours;
const peers = {};

Object.assign(window, {
  async openOurs(lab) {
    ours = new Ours(lab);
    await ours.next("ready");
  },
  keepTexts: (name, folder) => ours.keep(name, folder),
  runOurs: (knobs) => ours.run(knobs),
  holdOurs: (knobs) => ours.hold(knobs),
  evaluateOurs: () => ours.evaluate(),
  closeOurs: () => ours.close(),
  async openPeer(peer, folder) {
    peers[peer] = new Peer();
    await peers[peer].ask({ act: "prepare", peer, folder });
  },
  runPeer: (peer, times) => peers[peer].ask({ act: "run", times }),
  closePeer(peer) {
    peers[peer]?.worker.terminate();
    delete peers[peer];
  },
});
