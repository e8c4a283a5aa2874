// Model files, whole and damaged, made from the built-in model.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const read = (name) => readFileSync(fileURLToPath(new URL(`../../../assets/builtin/${name}`, import.meta.url)));
const CONFIG = JSON.parse(read("config.json"));
const TOKENIZER = JSON.parse(read("tokenizer.json"));
const WEIGHTS = read("model.safetensors");
const HTML = "<!doctype html><html><head><title>Sign in</title></head><body>Sign in to download.</body></html>";

/** The three files, some of them replaced; `null` leaves one out. */
export function model({ config = JSON.stringify(CONFIG), tokenizer = JSON.stringify(TOKENIZER), weights = WEIGHTS } = {}) {
  const files = [
    { name: "config.json", body: config, type: "application/json" },
    { name: "tokenizer.json", body: tokenizer, type: "application/json" },
    { name: "model.safetensors", body: weights },
  ];
  return files.filter(({ body }) => body !== null);
}

const config = (changes) => model({ config: JSON.stringify({ ...CONFIG, ...changes }) });

function parts() {
  const size = Number(WEIGHTS.readBigUInt64LE(0));
  return { header: JSON.parse(WEIGHTS.subarray(8, 8 + size)), data: WEIGHTS.subarray(8 + size) };
}

/** A safetensors file. */
export function safetensors(header, data) {
  const text = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([size, text, data]);
}

/** The weights with another header, or with other data. */
function reheaded(change) {
  const { header, data } = parts();
  return safetensors(change(header, data) ?? header, data);
}

function withHeaderSize(bytes) {
  const file = Buffer.from(WEIGHTS);
  file.writeBigUInt64LE(BigInt(bytes));
  return file;
}

function withNan() {
  const { header, data } = parts();
  const poisoned = Buffer.from(data);
  const [begin] = header["embeddings.word_embeddings.weight"].data_offsets;
  poisoned.writeUInt16LE(0x7e00, begin + 2 * 128 * 5);
  for (let at = begin; at < begin + 2 * 128 * 100; at += 2) poisoned.writeUInt16LE(0x7e00, at);
  return safetensors(header, poisoned);
}

function largerVocabulary() {
  const words = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`word${i}`, i]));
  const special = Object.keys(TOKENIZER.model.vocab).filter((word) => word.startsWith("["));
  special.forEach((word, i) => (words[word] = 3000 + i));
  return JSON.stringify({ ...TOKENIZER, added_tokens: [], model: { ...TOKENIZER.model, vocab: words } });
}

/** The built-in model as another program would have saved it: in shards, with a wrapper's prefix and vocab.txt. */
export function sharded() {
  const { header, data } = parts();
  const names = Object.keys(header).filter((name) => name !== "__metadata__");
  const map = {};
  const shards = [0, 1].map((half) => {
    const name = `model-0000${half + 1}-of-00002.safetensors`;
    const [tensors, bytes] = [{}, []];
    let at = 0;
    for (const tensor of names.filter((_, i) => i % 2 === half)) {
      const [begin, end] = header[tensor].data_offsets;
      bytes.push(data.subarray(begin, end));
      tensors[`module.${tensor}`] = { ...header[tensor], data_offsets: [at, at + end - begin] };
      map[`module.${tensor}`] = name;
      at += end - begin;
    }
    return { name, body: safetensors(tensors, Buffer.concat(bytes)) };
  });
  const vocabulary = Object.entries(TOKENIZER.model.vocab).sort(([, a], [, b]) => a - b);
  const text = (name, body) => ({ name, body, type: "text/plain" });
  return [
    text("config.json", JSON.stringify(CONFIG)),
    text("model.safetensors.index.json", JSON.stringify({ weight_map: map })),
    text("vocab.txt", vocabulary.map(([piece]) => `${piece}\n`).join("")),
    text("tokenizer_config.json", JSON.stringify({ do_lower_case: true })),
    text("README.md", "# A model"),
    ...shards,
  ];
}

/** What one might drop by mistake or in bad faith: a model, or files for the task `text`. */
export const HOSTILE_MODELS = {
  "weights cut short": model({ weights: WEIGHTS.subarray(0, WEIGHTS.length / 2) }),
  "weights of seven bytes": model({ weights: WEIGHTS.subarray(0, 7) }),
  "a header that claims 3 GB": model({ weights: withHeaderSize(3_000_000_000) }),
  "a header that claims all bytes there are": model({ weights: withHeaderSize(0xffff_ffff_ffff_ffffn) }),
  "a header that is no JSON": model({ weights: safetensors("{ this is no header", Buffer.alloc(64)) }),
  "a web page in place of the weights": model({ weights: HTML }),
  "a web page in place of config.json": model({ config: HTML }),
  "a web page in place of tokenizer.json": model({ tokenizer: HTML }),
  "a shard that is missing": sharded().slice(0, -1),
  "no weights at all": model({ weights: null }),
  "no tokenizer": model({ tokenizer: null }),
  "empty files": model({ config: "", tokenizer: "", weights: "" }),
  "a tokenizer of another model": model({ tokenizer: largerVocabulary() }),
  "a model of another family": config({ model_type: "mamba" }),
  "no heads": config({ num_attention_heads: 0, apt_lab: undefined }),
  "a width that the heads do not divide": config({ num_attention_heads: 5, apt_lab: undefined }),
  "a million layers": config({ num_hidden_layers: 1_000_000, apt_lab: undefined }),
  "a width beyond all memory": config({ hidden_size: 4_000_000_000, apt_lab: undefined }),
  "sizes that are not those of the weights": config({ hidden_size: 256, num_attention_heads: 8, apt_lab: undefined }),
  "a tensor that is missing": model({
    weights: reheaded((header) => {
      delete header["embeddings.word_embeddings.weight"];
    }),
  }),
  "a tensor under another name": model({
    weights: reheaded((header) => {
      header["embeddings.other.weight"] = header["embeddings.word_embeddings.weight"];
      delete header["embeddings.word_embeddings.weight"];
    }),
  }),
  "offsets beyond the end": model({
    weights: reheaded((header) => {
      header["embeddings.word_embeddings.weight"].data_offsets = [0, 9_000_000_000];
    }),
  }),
  "offsets that run backwards": model({
    weights: reheaded((header) => {
      header["embeddings.word_embeddings.weight"].data_offsets.reverse();
    }),
  }),
  "weights that are not numbers": model({ weights: withNan() }),
};

const csv = (name, body) => [{ name: `${name}.csv`, body, type: "text/csv" }];

export const HOSTILE_DATA = {
  "a table without labels": csv("unlabelled", "text\nfine\nbad\n"),
  "a table that is a picture": csv("picture", Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0, 0xff])),
  "a table of one class": csv("one-class", `text,label\n${"the same,yes\n".repeat(40)}`),
  "a web page in place of a table": csv("page", HTML),
};

export const HOSTILE_RECORDS = {
  "a record cut short": [{ name: "short.json", body: '{"schema":"apt-lab/record/1","preset":"apt","config":{' }],
  "a record of another version": [{ name: "other.json", body: '{"schema":"apt-lab/record/99"}' }],
  "a file of nothing but brackets": [{ name: "deep.json", body: "[".repeat(200_000) }],
};

/** Four hundred sentences with one word of praise or blame, an eighth of them labelled wrongly. */
export function easy() {
  let state = 7;
  const draw = (n) => (state = (state * 1103515245 + 12345) % 2147483648, Math.floor(state / 65536) % n);
  const things = ["soup", "room", "plot", "waiter", "shower", "view", "music", "story"];
  const verdicts = [["awful", "dull"], ["superb", "lovely"]];
  const line = () => {
    const label = draw(2);
    const words = [0, 1, 2].map(() => things[draw(things.length)]);
    words.splice(draw(4), 0, verdicts[label][draw(2)]);
    return `the ${words.join(" and the ")},${draw(8) === 0 ? 1 - label : label}`;
  };
  return ["text,label", ...Array.from({ length: 400 }, line), ""].join("\n");
}
