// A worker of one peer: makes it ready for a case, and times its steps. What a peer does stands in the module of its
// name.

let step;

const acts = {
  /** Loads the peer's module and what it needs of the case in `folder`. */
  async prepare({ peer, folder }) {
    const { prepare } = await import(`./${peer}.mjs`);
    const batch = await (await fetch(`${folder}/batch.json`)).json();
    step = await prepare(folder, batch);
  },
  /** Takes `times` steps: the milliseconds and the loss of each. */
  async run({ times }) {
    const [milliseconds, losses] = [[], []];
    for (let i = 0; i < times; i++) {
      const began = performance.now();
      losses.push(await step());
      milliseconds.push(performance.now() - began);
    }
    return { milliseconds, losses };
  },
};

onmessage = async ({ data: { act, ...given } }) => {
  try {
    postMessage({ done: await acts[act](given) });
  } catch (error) {
    postMessage({ error: String(error?.stack ?? error) });
  }
};
