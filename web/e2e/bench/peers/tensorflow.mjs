// TensorFlow.js on its WebAssembly back end. Its builds for browsers are scripts, which a worker of modules cannot
// import: they are run as text and leave `tf`.

import { adapters, EPSILON, optimizer } from "./settings.mjs";
import { sizes, weights } from "./weights.mjs";

/** Between [batch, length, heads, size] and [batch, heads, length, size]. */
const ORDER = [0, 2, 1, 3];
const WASM = new URL("./packages/@tensorflow/tfjs-backend-wasm/dist/", import.meta.url).href;

async function load() {
  const core = new URL("./packages/@tensorflow/tfjs/dist/tf.min.js", import.meta.url);
  for (const file of [core, `${WASM}tf-backend-wasm.min.js`]) (0, eval)(await (await fetch(file)).text());
  const { tf } = self;
  tf.wasm.setWasmPaths(WASM);
  await tf.setBackend("wasm");
  return tf;
}

export async function prepare(folder, { ids, labels }) {
  const tf = await load();
  const { heads, layers, hidden } = await sizes(folder);
  const [batch, length] = [ids.length, ids[0].length];
  const rows = [batch * length, hidden];
  const given = await weights(folder);
  const each = (of, make) => Object.fromEntries(Object.entries(of).map(([name, one]) => [name, make(one, name)]));
  const frozen = each(given.frozen, ({ data, shape }) => tf.tensor(data, shape));
  const trained = each(given.trained, ({ data, shape }) => tf.variable(tf.tensor(data, shape)));
  const [first, second] = [0, 1].map(() => each(given.trained, ({ shape }) => tf.variable(tf.zeros(shape), false)));
  const inputs = tf.tensor1d(Int32Array.from(ids.flat()), "int32");
  const targets = tf.tensor2d(labels.map((label) => [1 - label, label]));

  const linear = (name, x) => {
    const low = tf.matMul(x, trained[`${name}.a`]);
    const base = tf.matMul(x, frozen[`${name}.weight`]).add(frozen[`${name}.bias`]);
    return base.add(tf.matMul(low, trained[`${name}.b`]).mul(adapters.scale));
  };
  const norm = (name, x) => {
    const { mean, variance } = tf.moments(x, -1, true);
    return x.sub(mean).mul(variance.add(EPSILON).rsqrt()).mul(frozen[`${name}.weight`]).add(frozen[`${name}.bias`]);
  };
  const gelu = (x) => x.mul(0.5).mul(tf.erf(x.mul(Math.SQRT1_2)).add(1));
  const table = (name) => frozen[`bert.embeddings.${name}_embeddings.weight`];

  function loss() {
    const places = table("position").add(table("token_type").slice([0, 0], [1, hidden]));
    const words = tf.gather(table("word"), inputs).reshape([batch, length, hidden]);
    let x = norm("bert.embeddings.LayerNorm", words.add(places).reshape(rows));
    for (let layer = 0; layer < layers; layer++) {
      const of = `bert.encoder.layer.${layer}`;
      const split = (site) => {
        const parts = linear(`${of}.attention.self.${site}`, x).reshape([batch, length, heads, hidden / heads]);
        return parts.transpose(ORDER);
      };
      const scores = tf.matMul(split("query").mul(Math.sqrt(heads / hidden)), split("key"), false, true);
      const context = tf.matMul(tf.softmax(scores), split("value")).transpose(ORDER).reshape(rows);
      x = norm(`${of}.attention.output.LayerNorm`, linear(`${of}.attention.output.dense`, context).add(x));
      const inner = gelu(linear(`${of}.intermediate.dense`, x));
      x = norm(`${of}.output.LayerNorm`, linear(`${of}.output.dense`, inner).add(x));
    }
    const head = (name, x) => tf.matMul(x, trained[`${name}.weight`]).add(trained[`${name}.bias`]);
    const token = x.reshape([batch, length, hidden]).slice([0, 0, 0], [batch, 1, hidden]).reshape([batch, hidden]);
    const logits = head("classifier", tf.tanh(head("bert.pooler.dense", token)));
    return tf.logSoftmax(logits).mul(targets).sum().mul(-1 / batch);
  }

  const { rate, decay, clip, beta1, beta2, epsilon } = optimizer;
  const variables = Object.values(trained);
  const names = new Map(Object.entries(trained).map(([name, variable]) => [variable.name, name]));
  let made = 0;
  return async () => {
    made++;
    const [rate1, rate2] = [1 / (1 - beta1 ** made), 1 / (1 - beta2 ** made)];
    const value = tf.tidy(() => {
      const { value, grads } = tf.variableGrads(loss, variables);
      const all = Object.entries(grads).map(([name, gradient]) => [names.get(name), gradient]);
      const length = tf.addN(all.map(([, gradient]) => gradient.square().sum())).sqrt();
      const factor = tf.minimum(1, tf.div(clip, length));
      for (const [name, gradient] of all) {
        const clipped = gradient.mul(factor);
        first[name].assign(first[name].mul(beta1).add(clipped.mul(1 - beta1)));
        second[name].assign(second[name].mul(beta2).add(clipped.square().mul(1 - beta2)));
        const change = first[name].mul(rate1).div(second[name].mul(rate2).sqrt().add(epsilon));
        trained[name].assign(trained[name].mul(1 - rate * decay).sub(change.mul(rate)));
      }
      return value;
    });
    const [read] = await value.data();
    value.dispose();
    return read;
  };
}
