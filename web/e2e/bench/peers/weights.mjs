// The weights of a case for peers that take no graph, as plain arrays: { data, shape } by name. What lies as [out, in]
// in the file is turned, so that a product reads it as [in, out].

import { adapters } from "./settings.mjs";

/** What is frozen and what is trained, with new adapters whose branch begins at zero. */
export async function weights(folder) {
  const bytes = await (await fetch(`${folder}/model.safetensors`)).arrayBuffer();
  const size = Number(new DataView(bytes).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 8, size)));
  delete header.__metadata__;
  const [frozen, trained] = [{}, {}];
  for (const [name, { shape, data_offsets: [begin, end] }] of Object.entries(header)) {
    const data = new Float32Array(bytes.slice(8 + size + begin, 8 + size + end));
    const isLinear = shape.length === 2 && !name.includes("embeddings");
    const isHead = name.startsWith("bert.pooler") || name.startsWith("classifier");
    const one = isLinear ? turned(data, shape) : { data, shape };
    (isHead ? trained : frozen)[name] = one;
    if (!isLinear || isHead) continue;
    const [into, out] = one.shape;
    const of = name.replace(/\.weight$/, "");
    trained[`${of}.a`] = { data: normal(into * adapters.rank, 1 / Math.sqrt(into)), shape: [into, adapters.rank] };
    trained[`${of}.b`] = { data: new Float32Array(adapters.rank * out), shape: [adapters.rank, out] };
  }
  return { frozen, trained };
}

/** Sizes of the model, of its configuration. */
export async function sizes(folder) {
  const config = await (await fetch(`${folder}/config.json`)).json();
  return { heads: config.num_attention_heads, layers: config.num_hidden_layers, hidden: config.hidden_size };
}

function turned(data, [rows, columns]) {
  const other = new Float32Array(data.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) other[column * rows + row] = data[row * columns + column];
  }
  return { data: other, shape: [columns, rows] };
}

function normal(count, deviation) {
  const draw = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
  return Float32Array.from({ length: count }, () => deviation * draw());
}
