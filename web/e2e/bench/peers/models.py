"""Files of one BERT for all that are timed in a browser: models.py FOLDER SHAPES, which is a list of

{"name", "hidden", "heads", "layers", "neurons", "vocab", "batch", "length", "evaluated"}.

A case is a folder: random weights with a classifier as transformers lays them out (`config.json`, `tokenizer.json`,
`model.safetensors`), texts of exactly `length` tokens (`data/train.csv`, and `evaluated` times in
`data/validation.csv`), the same as ids (`batch.json`), the model as a graph (`model.onnx`), and what onnxruntime-web
trains by (`training/`): LoRA on all six linear layers of every layer with its head, clipping and AdamW as in
`Session::step`.

The graphs are as ONNX Runtime likes them best: rows of tokens, a product with its bias (and an adapter's second product
with what it is added to) as one Gemm, GELU and layer norm as one node each, attention too where no gradient is wanted,
and no mask, for nothing is padded. Products of three dimensions took no less time in the browser.
"""

import csv
import json
import sys
import types
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# Optimisers of PyTorch, which nothing here needs and the package imports all the same.
sys.modules["onnxruntime.training.optim"] = types.ModuleType("optim")
from onnxruntime.training import artifacts, onnxblock
from safetensors.numpy import save_file

LABELS, RANK, SCALE, EPS = 2, 8, 2.0, 1e-12
CLIP_NORM, WEIGHT_DECAY = 1.0, 0.1
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SITES = {
    "attention.self.query": ("hidden", "hidden"),
    "attention.self.key": ("hidden", "hidden"),
    "attention.self.value": ("hidden", "hidden"),
    "attention.output.dense": ("hidden", "hidden"),
    "intermediate.dense": ("hidden", "neurons"),
    "output.dense": ("neurons", "hidden"),
}


def weights(case, random):
    """Tensors by the names of transformers' `BertForSequenceClassification`; linear layers are [out, in]."""
    hidden = case["hidden"]
    normal = lambda *shape: random.normal(0, 0.02, shape).astype(np.float32)
    found = {
        "bert.embeddings.word_embeddings.weight": normal(case["vocab"], hidden),
        "bert.embeddings.position_embeddings.weight": normal(case["length"], hidden),
        "bert.embeddings.token_type_embeddings.weight": normal(2, hidden),
    }

    def linear(name, d_in, d_out):
        found[f"{name}.weight"], found[f"{name}.bias"] = normal(d_out, d_in), normal(d_out)

    def norm(name):
        found[f"{name}.weight"], found[f"{name}.bias"] = 1 + normal(hidden), normal(hidden)

    norm("bert.embeddings.LayerNorm")
    for layer in range(case["layers"]):
        for site, (d_in, d_out) in SITES.items():
            linear(f"bert.encoder.layer.{layer}.{site}", case[d_in], case[d_out])
        norm(f"bert.encoder.layer.{layer}.attention.output.LayerNorm")
        norm(f"bert.encoder.layer.{layer}.output.LayerNorm")
    linear("bert.pooler.dense", hidden, hidden)
    linear("classifier", hidden, LABELS)
    return found


class Graph:
    """The forward pass as a graph, with adapters if it is to be trained."""

    def __init__(self, case, found, random, trained):
        self.case, self.found, self.random, self.trained = case, found, random, trained
        self.nodes, self.constants, self.trainable = [], {}, []
        batch, length, hidden = case["batch"], case["length"], case["hidden"]
        heads, size = case["heads"], hidden // case["heads"]
        self.shape("rows", [batch * length, hidden])
        self.shape("tokens", [batch, length, hidden])
        if trained:
            self.shape("split", [batch, length, heads, size])
        table = lambda name: f"bert.embeddings.{name}_embeddings.weight"
        positions = found[table("position")] + found[table("token_type")][0]
        words = self.add("Gather", self.constant(table("word")), "ids")
        x = self.add("Add", words, self.constant("positions", positions))
        x = self.norm("bert.embeddings.LayerNorm", self.add("Reshape", x, "rows"))
        for layer in range(case["layers"]):
            x = self.layer(f"bert.encoder.layer.{layer}", x)
        x = self.add("Reshape", x, "tokens")
        first = self.add("Gather", x, self.constant("first", np.array(0)), axis=1)
        pooled = self.add("Tanh", self.linear("bert.pooler.dense", first, head=True))
        self.logits = self.linear("classifier", pooled, head=True)

    def layer(self, name, x):
        if not self.trained:
            whole = lambda site: self.add("Reshape", self.linear(f"{name}.attention.self.{site}", x), "tokens")
            heads = {"domain": "com.microsoft", "num_heads": self.case["heads"]}
            context = self.add("MultiHeadAttention", whole("query"), whole("key"), whole("value"), **heads)
            return self.behind_attention(name, x, self.add("Reshape", context, "rows"))
        scale = self.constant("scale", np.float32(1 / np.sqrt(self.case["hidden"] // self.case["heads"])))

        def split(site, order):
            parts = self.add("Reshape", self.linear(f"{name}.attention.self.{site}", x), "split")
            return self.add("Transpose", parts, perm=order)

        query, key, value = split("query", [0, 2, 1, 3]), split("key", [0, 2, 3, 1]), split("value", [0, 2, 1, 3])
        scores = self.add("MatMul", self.add("Mul", query, scale), key)
        context = self.add("MatMul", self.add("Softmax", scores, axis=-1), value)
        context = self.add("Reshape", self.add("Transpose", context, perm=[0, 2, 1, 3]), "rows")
        return self.behind_attention(name, x, context)

    def behind_attention(self, name, x, context):
        context = self.linear(f"{name}.attention.output.dense", context)
        x = self.norm(f"{name}.attention.output.LayerNorm", self.add("Add", context, x))
        inner = self.add("Gelu", self.linear(f"{name}.intermediate.dense", x), domain="com.microsoft")
        return self.norm(f"{name}.output.LayerNorm", self.add("Add", self.linear(f"{name}.output.dense", inner), x))

    def linear(self, name, x, head=False):
        """x·W + b, and s·(x·A)·B where it has an adapter."""
        # transposed once here, for the graph's products then read it as it lies
        weight = self.constant(f"{name}.weight", self.found[f"{name}.weight"].T.copy())
        y = self.add("Gemm", x, weight, self.constant(f"{name}.bias"))
        if head:
            self.trainable += [f"{name}.weight", f"{name}.bias"]
        elif self.trained:
            d_in, d_out = self.constants[f"{name}.weight"].shape
            a = self.random.normal(0, 1 / np.sqrt(d_in), (d_in, RANK)).astype(np.float32)
            low = self.add("Gemm", x, self.constant(f"{name}.a", a))
            y = self.add("Gemm", low, self.constant(f"{name}.b", np.zeros((RANK, d_out), np.float32)), y, alpha=SCALE)
            self.trainable += [f"{name}.a", f"{name}.b"]
        return y

    def norm(self, name, x):
        weight, bias = self.constant(f"{name}.weight"), self.constant(f"{name}.bias")
        return self.add("LayerNormalization", x, weight, bias, more=["mean", "deviation"], axis=-1, epsilon=EPS)

    def constant(self, name, value=None):
        self.constants[name] = self.found[name] if value is None else np.asarray(value)
        return name

    def shape(self, name, sizes):
        return self.constant(name, np.array(sizes, np.int64))

    def add(self, kind, *inputs, domain="", more=(), **attributes):
        """A node; `more` outputs are what its gradient reads."""
        output = f"{kind}_{len(self.nodes)}"
        outputs = [output] + [f"{output}_{name}" for name in more if self.trained]
        self.nodes.append(helper.make_node(kind, inputs, outputs, name=output, domain=domain, **attributes))
        return output

    def model(self):
        batch, length = self.case["batch"], self.case["length"]
        graph = helper.make_graph(
            self.nodes,
            "bert",
            [helper.make_tensor_value_info("ids", TensorProto.INT64, [batch, length])],
            [helper.make_tensor_value_info(self.logits, TensorProto.FLOAT, [batch, LABELS])],
            [numpy_helper.from_array(value, name) for name, value in self.constants.items()],
        )
        domains = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=domains, ir_version=8)


def write(folder, case):
    random = np.random.default_rng(1)
    found = weights(case, random)
    training, data = folder / "training", folder / "data"
    for each in (training, data):
        each.mkdir(parents=True, exist_ok=True)

    plain = Graph(case, found, random, trained=False)
    onnx.save(plain.model(), folder / "model.onnx")
    adapted = Graph(case, found, random, trained=True)
    floats = [name for name, value in adapted.constants.items() if value.dtype == np.float32 and value.ndim]
    artifacts.generate_artifacts(
        adapted.model(),
        requires_grad=adapted.trainable,
        frozen_params=[name for name in floats if name not in adapted.trainable],
        loss=artifacts.LossType.CrossEntropyLoss,
        optimizer=onnxblock.optim.AdamW(weight_decay=WEIGHT_DECAY, clip_grad=onnxblock.optim.ClipGradNorm(CLIP_NORM)),
        artifact_directory=training,
    )

    save_file(found, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config(case)))
    words = SPECIAL + [f"word{id}" for id in range(len(SPECIAL), case["vocab"])]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer(words)))
    inner = random.integers(len(SPECIAL), case["vocab"], (case["batch"], case["length"] - 2))
    labels = [row % LABELS for row in range(case["batch"])]
    for split, times in (("train", 1), ("validation", case["evaluated"])):
        with open(data / f"{split}.csv", "w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["text", "label"])
            for _ in range(times):
                table.writerows([" ".join(words[id] for id in row), label] for row, label in zip(inner, labels))
    ids = [[SPECIAL.index("[CLS]"), *map(int, row), SPECIAL.index("[SEP]")] for row in inner]
    (folder / "batch.json").write_text(json.dumps({"ids": ids, "labels": labels}))


def config(case):
    return {
        "model_type": "bert",
        "architectures": ["BertForSequenceClassification"],
        "hidden_act": "gelu",
        "hidden_size": case["hidden"],
        "intermediate_size": case["neurons"],
        "layer_norm_eps": EPS,
        "max_position_embeddings": case["length"],
        "num_attention_heads": case["heads"],
        "num_hidden_layers": case["layers"],
        "pad_token_id": 0,
        "type_vocab_size": 2,
        "vocab_size": case["vocab"],
        "num_labels": LABELS,
    }


def tokenizer(words):
    """One token a word, between the two that begin and end BERT's sequences."""
    piece = lambda kind, name: {kind: {"id": name, "type_id": 0}}
    special = {name: {"id": name, "ids": [words.index(name)], "tokens": [name]} for name in ("[CLS]", "[SEP]")}
    added = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": id, "content": name, **added} for id, name in enumerate(SPECIAL)],
        "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [piece("SpecialToken", "[CLS]"), piece("Sequence", "A"), piece("SpecialToken", "[SEP]")],
            "pair": [piece("Sequence", "A"), piece("Sequence", "B")],
            "special_tokens": special,
        },
        "decoder": None,
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {word: id for id, word in enumerate(words)},
        },
    }


if __name__ == "__main__":
    for case in json.loads(sys.argv[2]):
        write(Path(sys.argv[1]) / case["name"], case)
