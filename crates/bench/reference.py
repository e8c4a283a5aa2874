"""The benchmark's other side: a BERT and a LLaMA written by hand in PyTorch, with the shapes and the work of our steps.

A training step is what `Session::step` does: adapters on the same layers, scores of all blocks and the importance of
every adapter where they are collected, the teacher where there is one, clipping, AdamW, and one read of the results.
Reads one JSON request a line and answers with the mean seconds of one round; see src/pytorch.rs. Everything PyTorch
offers for speed in eager mode is used: fused attention, fused AdamW, fused norms, inference mode; for decoding also one
product for queries, keys and values, one for gate and up, and a cache that is written in place. Compiled, the forward and
backward passes of the models are `torch.compile`'s, with shapes that do not change, so that a token attends to the whole
cache under a mask. For inference the model can be exported too, to ONNX Runtime and to OpenVINO.
"""

import json
import logging
import os
import sys
import tempfile
import time
import warnings

warnings.filterwarnings("ignore", message=".*NumPy.*")
warnings.filterwarnings("ignore", message=".*torch.jit.*")

import torch
import torch.nn.functional as F
from torch import nn


class Linear(nn.Module):
    """A frozen linear layer, with a low-rank branch if `rank` is given."""

    def __init__(self, d_in, d_out, rank=0, scale=1.0, bias=True):
        super().__init__()
        self.base = nn.Linear(d_in, d_out, bias=bias)
        self.scale = scale
        self.a = nn.Parameter(torch.randn(d_in, rank) / d_in**0.5) if rank else None
        self.b = nn.Parameter(torch.zeros(rank, d_out)) if rank else None

    def forward(self, x):
        y = self.base(x)
        return y if self.a is None else y + (x @ self.a) @ (self.b * self.scale)

    def merged(self):
        """The weight with its adapter, (d_out, d_in)."""
        weight = self.base.weight
        return weight if self.a is None else weight + (self.a @ (self.b * self.scale)).T

    def importance(self):
        """Σ|B ∘ ∂L/∂B| (APT Eq. 7)."""
        return (self.b * self.b.grad).abs().sum().view(1)


class Layer(nn.Module):
    """Attention and feed-forward, post-norm."""

    def __init__(self, hidden, head_size, heads, neurons, eps, rank_of, scale):
        super().__init__()
        self.heads, self.head_size = heads, head_size
        width = heads * head_size
        sizes = {
            "query": (hidden, width),
            "key": (hidden, width),
            "value": (hidden, width),
            "output": (width, hidden),
            "up": (hidden, neurons),
            "down": (neurons, hidden),
        }
        for name, (d_in, d_out) in sizes.items():
            setattr(self, name, Linear(d_in, d_out, rank_of(name), scale))
        self.norm_attention = nn.LayerNorm(hidden, eps=eps)
        self.norm_feed_forward = nn.LayerNorm(hidden, eps=eps)

    def forward(self, x, batch, length, mask, watch):
        def split(t):
            return t.view(batch, length, self.heads, self.head_size).transpose(1, 2)

        branch = watch(x, self, "attention_input")
        q, k, v = split(self.query(branch)), split(self.key(branch)), split(self.value(branch))
        context = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        context = context.transpose(1, 2).reshape(batch * length, self.heads * self.head_size)
        context = watch(context, self, "context")
        x = self.norm_attention(x + self.output(context))
        branch = watch(x, self, "feed_forward_input")
        h = watch(F.gelu(self.up(branch)), self, "activation")
        return self.norm_feed_forward(x + self.down(h))


class Bert(nn.Module):
    """Encoder and classification head; only adapters and head are trainable."""

    def __init__(self, model, training):
        super().__init__()
        hidden = model["hidden"]
        adapters, rank, scale = (training["adapters"], training["rank"], training["scale"]) if training else ([], 0, 1.0)
        rank_of = lambda name: rank if name in adapters else 0
        self.words = nn.Embedding(model["vocab"], hidden)
        self.positions = nn.Embedding(model["positions"], hidden)
        self.types = nn.Embedding(2, hidden)
        self.norm = nn.LayerNorm(hidden, eps=model["eps"])
        self.layers = nn.ModuleList(
            Layer(hidden, model["head_size"], heads, neurons, model["eps"], rank_of, scale)
            for heads, neurons in model["layers"]
        )
        dense, labels = model["head"]
        self.dense, self.out = nn.Linear(hidden, dense), nn.Linear(dense, labels)
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(name.endswith((".a", ".b")) or name.startswith(("dense", "out")))

    def forward(self, ids, mask=None, watch=lambda h, layer, site: h):
        """Logits and the hidden state after each layer; the mask, (batch, 1, 1, length), is of what is no padding."""
        batch, length = ids.shape
        position = torch.arange(length, device=ids.device)
        x = self.words(ids) + self.positions(position) + self.types(torch.zeros_like(ids))
        x = self.norm(x).view(batch * length, -1)
        states = []
        for layer in self.layers:
            x = layer(x, batch, length, mask, watch)
            states.append(x)
        x = watch(x, None, "output")
        first = x.view(batch, length, -1)[:, 0]
        return self.out(torch.tanh(self.dense(first))), states


def rotate(x, cos, sin):
    """Every head turned by its position, the first half of its dims with the second (transformers' LLaMA)."""
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat((-second, first), -1) * sin


def angles(positions, head_size, theta):
    """Cosines and sines, (positions, head_size) each."""
    frequencies = theta ** (-torch.arange(0, head_size, 2) / head_size)
    table = torch.outer(torch.arange(positions), frequencies).repeat(1, 2)
    return table.cos(), table.sin()


class DecoderLayer(nn.Module):
    """Attention and gated feed-forward, pre-norm."""

    def __init__(self, hidden, head_size, heads, neurons, group, eps, rank_of, scale):
        super().__init__()
        self.heads, self.group, self.head_size = heads, group, head_size
        width = heads * head_size
        sizes = {
            "query": (hidden, width * group),
            "key": (hidden, width),
            "value": (hidden, width),
            "output": (width * group, hidden),
            "gate": (hidden, neurons),
            "up": (hidden, neurons),
            "down": (neurons, hidden),
        }
        for name, (d_in, d_out) in sizes.items():
            setattr(self, name, Linear(d_in, d_out, rank_of(name), scale, bias=False))
        self.norm_attention = nn.RMSNorm(hidden, eps=eps)
        self.norm_feed_forward = nn.RMSNorm(hidden, eps=eps)

    def forward(self, x, batch, length, cos, sin, watch):
        def split(t):
            return t.view(batch, length, -1, self.head_size).transpose(1, 2)

        branch = self.norm_attention(x)
        q, k, v = split(self.query(branch)), split(self.key(branch)), split(self.value(branch))
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        context = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=self.group > 1)
        context = context.transpose(1, 2).reshape(batch * length, -1)
        context = watch(context, self, "context")
        x = x + watch(self.output(context), self, "attention_added")
        branch = self.norm_feed_forward(x)
        h = watch(F.silu(self.gate(branch)) * self.up(branch), self, "activation")
        return x + watch(self.down(h), self, "feed_forward_added")


class Llama(nn.Module):
    """A decoder whose head is the table of words; only adapters are trainable."""

    def __init__(self, model, training):
        super().__init__()
        hidden, head_size = model["hidden"], model["head_size"]
        adapters, rank, scale = (training["adapters"], training["rank"], training["scale"]) if training else ([], 0, 1.0)
        rank_of = lambda name: rank if name in adapters else 0
        self.words = nn.Embedding(model["vocab"], hidden)
        self.layers = nn.ModuleList(
            DecoderLayer(hidden, head_size, heads, neurons, model["group"], model["eps"], rank_of, scale)
            for heads, neurons in model["layers"]
        )
        self.norm = nn.RMSNorm(hidden, eps=model["eps"])
        cos, sin = angles(model["positions"], head_size, model["theta"])
        self.register_buffer("cos", cos)
        self.register_buffer("sin", sin)
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(name.endswith((".a", ".b")))

    def forward(self, ids, watch=lambda h, layer, site: h):
        """Logits of what follows every token, (tokens, vocab)."""
        batch, length = ids.shape
        x = self.words(ids).view(batch * length, -1)
        cos, sin = self.cos[:length], self.sin[:length]
        for layer in self.layers:
            x = layer(x, batch, length, cos, sin, watch)
        return F.linear(self.norm(x), self.words.weight), []


class Writer(nn.Module):
    """A decoder that reads some tokens of one text after those in its cache, and names the likeliest token after them."""

    def __init__(self, model, positions):
        super().__init__()
        self.model, self.positions = model, positions
        self.qkv = [torch.cat([l.query.base.weight, l.key.base.weight, l.value.base.weight]) for l in model.layers]
        self.gate_up = [torch.cat([l.gate.base.weight, l.up.base.weight]) for l in model.layers]
        size, device = model.layers[0].head_size, model.words.weight.device
        self.caches = [torch.zeros(2, 1, l.heads, positions, size, device=device) for l in model.layers]
        # Row by row what the token at that position sees of the cache.
        seen = torch.ones(positions, positions, dtype=torch.bool, device=device).tril()
        self.mask = torch.zeros(positions, positions, device=device).masked_fill(~seen, float("-inf"))

    def forward(self, ids, start, whole):
        """The token after `ids` (length), which stand at `start`: a number, or a tensor (1) where `whole` says to attend to
        the whole cache so that no shape changes."""
        model, length = self.model, ids.shape[0]
        places = start + torch.arange(length, device=ids.device)
        at = places if whole else slice(start, start + length)
        cos, sin = model.cos[at][:, None], model.sin[at][:, None]
        x = model.words(ids)
        for layer, qkv, gate_up, cache in zip(model.layers, self.qkv, self.gate_up, self.caches):
            heads, queries = layer.heads, layer.heads * layer.group
            parts = F.linear(layer.norm_attention(x), qkv).view(length, queries + 2 * heads, layer.head_size)
            turned = rotate(parts[:, : queries + heads], cos, sin).transpose(0, 1)[None]
            q, k, v = turned[:, :queries], turned[:, queries:], parts[:, queries + heads :].transpose(0, 1)[None]
            gqa = layer.group > 1
            if whole:
                cache[0].index_copy_(2, places, k)
                cache[1].index_copy_(2, places, v)
                context = F.scaled_dot_product_attention(
                    q, cache[0], cache[1], attn_mask=self.mask[places][None, None], enable_gqa=gqa
                )
            else:
                cache[0][:, :, at] = k
                cache[1][:, :, at] = v
                keys, values = cache[:, :, :, : start + length]
                context = F.scaled_dot_product_attention(q, keys, values, is_causal=length > 1, enable_gqa=gqa)
            x = x + F.linear(context[0].transpose(0, 1).reshape(length, -1), layer.output.base.weight)
            gate, up = F.linear(layer.norm_feed_forward(x), gate_up).chunk(2, -1)
            x = x + F.linear(F.silu(gate) * up, layer.down.base.weight)
        return F.linear(model.norm(x[-1:]), model.words.weight).argmax(-1)


class Taps:
    """Activations and their gradients; a view of an activation has the gradient of its branch alone."""

    def __init__(self):
        self.seen = []

    def __call__(self, h, layer, site):
        h = h.view_as(h)
        if not h.requires_grad:
            h.requires_grad_()
        h.retain_grad()
        self.seen.append((layer, site, h))
        return h

    @torch.no_grad()
    def scores(self, hidden):
        """Outlier-aware scores, both terms with the same mean per kind of block: `[heads | neurons | hidden]`."""
        compressed = lambda z: z.abs().sum(0)
        first = {"heads": [], "neurons": [], "hidden": [torch.zeros(hidden, device=self.seen[0][2].device)]}
        second = {"heads": [], "neurons": [], "hidden": [torch.zeros_like(first["hidden"][0])]}
        for layer, site, h in self.seen:
            score = compressed(h) * compressed(h.grad)
            if site == "context":
                o = layer.output.merged() * h.mean(0)  # (hidden, n)
                per_head = o.view(len(o), layer.heads, -1).transpose(0, 1).reshape(layer.heads, -1)
                first["heads"].append(score.view(layer.heads, -1).sum(1))
                second["heads"].append(outlier(per_head, 1))
                second["hidden"][0] += outlier(o, 1)
            elif site == "activation":
                o = layer.down.merged() * h.mean(0)
                first["neurons"].append(score)
                second["neurons"].append(outlier(o, 0))
                second["hidden"][0] += outlier(o, 1)
            else:
                first["hidden"][0] += score
        balanced = []
        for kind in first:
            products, outliers = torch.cat(first[kind]), torch.cat(second[kind])
            balanced.append(products + outliers * (products.mean() / outliers.mean().clamp_min(1e-12)))
        return torch.cat(balanced)


def outlier(o, dim):
    """√max(kurtosis, 0) along `dim`."""
    variance, mean = torch.var_mean(o, dim, keepdim=True)
    fourth = ((o - mean).square().square()).mean(dim) / variance.squeeze(dim).square()
    return (fourth - 3).clamp_min(0).sqrt()


class Training:
    def __init__(self, request, device):
        torch.manual_seed(1)
        self.case, self.device, self.settings = request["case"], device, request["training"]
        self.hidden = request["model"]["hidden"]
        self.model = network(request, self.settings).to(device)
        self.inputs, self.labels = batch_of(request, device)
        self.adapters = [m for m in self.model.modules() if isinstance(m, Linear) and m.a is not None]
        self.teacher, self.transform = None, []
        if self.case == "train_distil":
            self.teacher = network(request, self.settings).to(device)
            share(self.teacher, self.model)
            rank = self.settings["transform_rank"]
            a = torch.randn(self.hidden, rank, device=device) / self.hidden**0.5
            b = torch.zeros(rank, self.hidden, device=device)
            self.transform = [nn.Parameter(a), nn.Parameter(b)]
        self.forward = compiled(request, self.model)
        self.forward_teacher = compiled(request, self.teacher) if self.teacher else None
        self.trainable = [p for p in self.model.parameters() if p.requires_grad] + self.transform
        decay = self.settings["weight_decay"]
        groups = [
            {"params": [p for p in self.trainable if p.dim() > 1], "weight_decay": decay},
            {"params": [p for p in self.trainable if p.dim() == 1], "weight_decay": 0.0},
        ]
        fused = device in ("cpu", "cuda")
        self.optimizer = torch.optim.AdamW(groups, lr=self.settings["learning_rate"], fused=fused)

    def steps(self, rounds):
        for _ in range(rounds):
            self.step()

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        taps = Taps() if self.case == "train_salience" else None
        logits, states = self.model(*self.inputs, watch=taps) if taps else self.forward(*self.inputs)
        task_loss = F.cross_entropy(logits, self.labels)
        loss, distillation = task_loss, torch.zeros((), device=self.device)
        if self.teacher is not None:
            distillation = self.distillation(logits, states)
            loss = 0.5 * task_loss + 0.5 * distillation
        loss.backward()
        scores = [taps.scores(self.hidden), *(layer.importance() for layer in self.adapters)] if taps else []
        norm = nn.utils.clip_grad_norm_(self.trainable, self.settings["clip_norm"])
        self.optimizer.step()
        results = [loss, task_loss, norm, distillation]
        torch.cat([result.detach().view(1) for result in results] + scores).cpu()

    def distillation(self, logits, states):
        temperature, scale = self.settings["temperature"], self.settings["scale"]
        with torch.no_grad():
            target, of_teacher = self.forward_teacher(*self.inputs)
            target = F.log_softmax(target / temperature, 1)
        student = F.log_softmax(logits / temperature, 1)
        loss = F.kl_div(student, target, reduction="batchmean", log_target=True) * temperature**2
        loss = loss * self.settings["logit_weight"]
        a, b = self.transform
        blocks = max(len(states) // 4, 1)
        for layer in range(0, len(states), blocks):
            mapped = states[layer] + (states[layer] @ a) @ (b * scale)
            loss = loss + self.settings["layer_weight"] * F.mse_loss(mapped, of_teacher[layer])
        return loss


class Inference:
    def __init__(self, request, device):
        torch.manual_seed(1)
        self.model = network(request, None).to(device).eval()
        self.forward = compiled(request, self.model)
        self.inputs, _ = batch_of(request, device)

    @torch.inference_mode()
    def steps(self, rounds):
        for _ in range(rounds):
            self.forward(*self.inputs)[0].cpu()


class Logits(nn.Module):
    """What is exported."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, *inputs):
        return self.model(*inputs)[0]


class Exported(Inference):
    """The same model in another program, with as many threads and 32-bit floats; its logits have to be the same."""

    @torch.inference_mode()
    def __init__(self, request, device):
        super().__init__(request, device)
        start = {"onnxruntime": self.onnxruntime, "openvino": self.openvino}[request["mode"]]
        self.infer = start(Logits(self.model).eval(), torch.get_num_threads())
        expected = self.model(*self.inputs)[0]
        if (torch.from_numpy(self.infer()) - expected).abs().max() > 1e-3:
            raise ValueError("its logits are others than PyTorch's")

    def onnxruntime(self, logits, threads):
        import onnxruntime

        # The exporter warns of packages that it does not need.
        torch._logging.set_logs(all=logging.ERROR)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "model.onnx")
            torch.onnx.export(logits, self.inputs, dynamo=True, verbose=False).save(file)
            session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        inputs = {put.name: x.numpy() for put, x in zip(session.get_inputs(), self.inputs)}
        return lambda: session.run(None, inputs)[0]

    def openvino(self, logits, threads):
        import openvino

        settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        model = openvino.convert_model(logits, example_input=self.inputs)
        compiled, inputs = openvino.Core().compile_model(model, "CPU", settings), [x.numpy() for x in self.inputs]
        return lambda: compiled(inputs)[0]

    def steps(self, rounds):
        for _ in range(rounds):
            self.infer()


class Decoding:
    """Greedy text: the prompt, then a token at a time."""

    @torch.inference_mode()
    def __init__(self, request, device):
        torch.manual_seed(1)
        self.prompt, self.tokens = torch.tensor(request["prompt"], device=device), request["tokens"]
        positions = len(self.prompt) + self.tokens
        self.writer = Writer(network(request, None).to(device).eval(), positions)
        self.whole = request["mode"] == "compiled"
        self.step = torch.compile(self.writer, dynamic=False) if self.whole else self.writer
        self.starts = torch.arange(positions, device=device).view(-1, 1)

    @torch.inference_mode()
    def steps(self, rounds):
        for _ in range(rounds):
            read, next = len(self.prompt), self.writer(self.prompt, 0, False)
            for _ in range(self.tokens - 1):
                next = self.step(next, self.starts[read] if self.whole else read, self.whole)
                next.item()  # a text is shown, and may end, token by token
                read += 1


class Product:
    """A linear layer; several are waited for together."""

    def __init__(self, request, device):
        rows, inner, columns = request["rows"], request["inner"], request["columns"]
        self.x, self.w = torch.randn(rows, inner, device=device), torch.randn(inner, columns, device=device)
        self.b = torch.zeros(columns, device=device)

    @torch.inference_mode()
    def steps(self, rounds):
        for _ in range(rounds):
            y = torch.addmm(self.b, self.x, self.w)
        y[0, 0].cpu()


def compiled(request, model):
    """The model as the mode asks."""
    if request["mode"] != "compiled":
        return model
    return torch.compile(model, dynamic=False)


def network(request, training):
    return (Llama if "group" in request["model"] else Bert)(request["model"], training)


def batch_of(request, device):
    """Ids of tokens, with a mask where there is padding, and what is to be predicted: a class of every sequence, or of a
    decoder what follows each token."""
    batch, length = request["batch"], request["length"]
    ids = (torch.arange(batch * length) * 7919 % request["model"]["vocab"]).view(batch, length)
    labels = ids.roll(-1, 1).view(-1) if "group" in request["model"] else torch.arange(batch) % 2
    inputs = [ids]
    if request.get("lengths"):
        inputs.append((torch.arange(length) < torch.tensor(request["lengths"]).view(-1, 1)).view(batch, 1, 1, length))
    return tuple(x.to(device) for x in inputs), labels.to(device)


def share(teacher, student):
    """Makes the frozen weights of `teacher` those of `student`."""
    mine, theirs = dict(student.named_modules()), dict(teacher.named_modules())
    for path, module in theirs.items():
        for name, parameter in list(module.named_parameters(recurse=False)):
            if not parameter.requires_grad:
                setattr(module, name, getattr(mine[path], name))


KINDS = {
    "infer": Inference,
    "infer_compact": Inference,
    "decode": Decoding,
    "decode_compact": Decoding,
    "product": Product,
}


def accelerator():
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else None


def main():
    torch.set_num_threads(int(sys.argv[1]))
    # Answers go out on the real standard output; whatever else prints goes to the error stream.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    print(json.dumps({"torch": torch.__version__, "accelerator": accelerator()}), file=answers)
    key, works = None, {}
    for line in sys.stdin:
        try:
            request = json.loads(line)
            rounds, mode = request.pop("rounds"), request["mode"]
            case = {name: value for name, value in request.items() if name != "mode"}
            if case != key:
                key, works = case, {}  # frees the case before
            tf32 = mode == "tf32"
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
            if mode not in works:
                kind = Exported if mode in ("onnxruntime", "openvino") else KINDS.get(request["case"], Training)
                works[mode] = kind(request, request["device"])
            began = time.perf_counter()
            works[mode].steps(rounds)
            answer = {"seconds": (time.perf_counter() - began) / rounds}
        except Exception as error:  # whatever it is, it is reported to the other side
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main()
