// jax-js: one compiled function is the whole step, from the loss to the new parameters. Functions of jax-js consume
// what they are given; `.ref` keeps it for once more.

import { defaultDevice, init, jit, nn, numpy as np, valueAndGrad } from "./packages/@jax-js/jax/dist/index.js";
import { adapters, EPSILON, optimizer } from "./settings.mjs";
import { sizes, weights } from "./weights.mjs";

export async function prepare(folder, { ids, labels }) {
  await init("wasm");
  defaultDevice("wasm");
  const { heads, layers, hidden } = await sizes(folder);
  const [batch, length] = [ids.length, ids[0].length];
  const rows = [batch * length, hidden];

  function loss(trained, frozen, ids, targets) {
    const linear = (name, x) => {
      const low = np.matmul(x.ref, trained[`${name}.a`]);
      const base = np.matmul(x, frozen[`${name}.weight`]).add(frozen[`${name}.bias`]);
      return base.add(np.matmul(low, trained[`${name}.b`]).mul(adapters.scale));
    };
    const norm = (name, x) => {
      const own = nn.standardize(x, -1, { epsilon: EPSILON });
      return own.mul(frozen[`${name}.weight`]).add(frozen[`${name}.bias`]);
    };
    const table = (name) => frozen[`bert.embeddings.${name}_embeddings.weight`];
    const places = table("position").add(table("token_type").slice(0));
    const words = np.take(table("word"), ids, 0).reshape([batch, length, hidden]);
    let x = norm("bert.embeddings.LayerNorm", words.add(places).reshape(rows));
    for (let layer = 0; layer < layers; layer++) {
      const of = `bert.encoder.layer.${layer}`;
      const split = (site) => linear(`${of}.attention.self.${site}`, x.ref).reshape([batch, length, heads, -1]);
      const context = nn.dotProductAttention(split("query"), split("key"), split("value")).reshape(rows);
      x = norm(`${of}.attention.output.LayerNorm`, linear(`${of}.attention.output.dense`, context).add(x));
      const inner = nn.gelu(linear(`${of}.intermediate.dense`, x.ref), { approximate: false });
      x = norm(`${of}.output.LayerNorm`, linear(`${of}.output.dense`, inner).add(x));
    }
    const head = (name, x) => np.matmul(x, trained[`${name}.weight`]).add(trained[`${name}.bias`]);
    const first = x.reshape([batch, length, hidden]).slice([], 0);
    const logits = head("classifier", np.tanh(head("bert.pooler.dense", first)));
    return nn.logSoftmax(logits, -1).mul(targets).sum().mul(-1 / batch);
  }

  const { rate, decay, clip, beta1, beta2, epsilon } = optimizer;
  const step = jit((trained, first, second, corrections, frozen, ids, targets) => {
    const names = Object.keys(trained);
    const kept = Object.fromEntries(names.map((name) => [name, trained[name].ref]));
    const [value, gradients] = valueAndGrad(loss)(kept, frozen, ids, targets);
    const squares = names.map((name) => np.square(gradients[name].ref).sum()).reduce((sum, each) => sum.add(each));
    const factor = np.minimum(np.array(1), np.array(clip).div(np.sqrt(squares)));
    const [rate1, rate2] = [corrections.ref.slice(0), corrections.slice(1)];
    const next = [{}, {}, {}];
    for (const name of names) {
      const gradient = gradients[name].mul(factor.ref);
      next[1][name] = first[name].mul(beta1).add(gradient.ref.mul(1 - beta1));
      next[2][name] = second[name].mul(beta2).add(np.square(gradient).mul(1 - beta2));
      const change = next[1][name].ref.mul(rate1.ref).div(np.sqrt(next[2][name].ref.mul(rate2.ref)).add(epsilon));
      next[0][name] = trained[name].mul(1 - rate * decay).sub(change.mul(rate));
    }
    for (const each of [factor, rate1, rate2]) each.dispose();
    return [value, ...next];
  });

  const array = ({ data, shape }) => np.array(data, { shape });
  const arrays = (of, make) => Object.fromEntries(Object.entries(of).map(([name, one]) => [name, make(one)]));
  const zeros = ({ shape }) => np.zeros(shape);
  const read = await weights(folder);
  const frozen = arrays(read.frozen, array);
  let state = [arrays(read.trained, array), arrays(read.trained, zeros), arrays(read.trained, zeros)];
  const inputs = np.array(Int32Array.from(ids.flat()), { dtype: np.int32 });
  const targets = np.array(Float32Array.from(labels.flatMap((label) => [1 - label, label])), { shape: [batch, 2] });
  const again = (of) => arrays(of, (one) => one.ref);
  let made = 0;
  return async () => {
    made++;
    const corrections = np.array([1 / (1 - beta1 ** made), 1 / (1 - beta2 ** made)]);
    const [value, ...next] = step(...state, corrections, again(frozen), inputs.ref, targets.ref);
    state = next;
    return (await value.data())[0];
  };
}
