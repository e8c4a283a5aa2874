// What is timed beside peers, and the settings of our runs.

import { readFileSync } from "node:fs";

const BATCH = 32;
const read = (path) => JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8"));
const PACKAGES = read("package.json").dependencies;
const version = (name) => PACKAGES[name].split("@").at(-1);

/** The shapes of a configuration file. */
function shapes(config) {
  return {
    hidden: config.hidden_size, heads: config.num_attention_heads, layers: config.num_hidden_layers,
    neurons: config.intermediate_size, vocab: config.vocab_size,
  };
}

const BUILTIN = shapes(read("../../../../assets/builtin/config.json"));
const MINILM = { hidden: 384, heads: 12, layers: 6, neurons: 1536, vocab: 30522 };

/**
 * A peer by its module in this folder: what the table calls it, with the version of a package, whether it trains or
 * infers, and what share of our steps it is given, for some are slow.
 */
const peer = (name, says, of, trains, share) => ({ name, says: `${says} ${version(of)}`, trains, share });
const TRAINING = peer("ort-training", "onnxruntime-web/training", "onnxruntime-web-training", true, 1);
const JAX = peer("jax", "jax-js", "@jax-js/jax", true, 0.25);
const TENSORFLOW = peer("tensorflow", "TensorFlow.js", "@tensorflow/tfjs", true, 0.125);
const INFERENCE = peer("ort-inference", "onnxruntime-web", "onnxruntime-web", false, 1);
const builtin = (length) => ({
  name: `builtin-${length}`, says: `built-in model, ${length} tokens`, ...BUILTIN, length, steps: 24,
  peers: [TRAINING, JAX, TENSORFLOW],
});
const MINILM_64 = { name: "minilm-64", says: "MiniLM-L6, 64 tokens", ...MINILM, length: 64, steps: 8 };

/** So many times the batch is what our runs are evaluated on. */
export const EVALUATED = 4;

/** Each with its shapes, the steps of a round, and its peers. */
export const CASES = [
  ...[16, 24, 32].map(builtin),
  // TensorFlow.js would take the time of all others together.
  { ...MINILM_64, peers: [TRAINING, JAX, INFERENCE] },
].map((of) => ({ ...of, batch: BATCH, evaluated: EVALUATED }));

/** What the preset `lora` sets. */
export const LORA = { density: 1, rank_growth: "static", distillation: "off" };

/** Our settings beside those: one shard on the CPU, no evaluation on the way, and the peers' rate, which stays. */
export const knobs = ({ steps, batch, length }, model, data) => ({
  model, data, task: "text", steps, batch_size: batch, max_length: length, shards: 1, device: "cpu",
  eval_every: 100_000, lr_warmup: 0, lr_curve: "constant", keep: "last",
});
