"""A pruned transformer for transformers: layers may differ in width, or lack attention or feed-forward.

Written by APT Lab beside the model that it loads (MIT OR Apache-2.0). config.json has what differs between layers in
`per_layer_config` and the names of all modules in `modules`, so one file serves every family: encoders with a classifier,
and decoders, which have `wiring` in config.json too.
"""

import torch
from torch import nn
from torch.nn import functional
from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.activations import ACT2FN
from transformers.cache_utils import DynamicCache
from transformers.modeling_outputs import CausalLMOutputWithPast, SequenceClassifierOutput


class AptConfig(PretrainedConfig):
    """Sizes of all layers, and of those that are narrower than the widest."""

    model_type = "apt"

    def __init__(self, per_layer_config=None, modules=None, **kwargs):
        # Under names of its own: newer versions of transformers give `per_layer_config` and what describes rotary
        # positions a meaning that only their own models know.
        self.layer_sizes = kwargs.pop("layer_sizes", None) or per_layer_config or {}
        self.module_names = kwargs.pop("module_names", None) or modules or {}
        for key in ("rope_parameters", "rope_scaling", "rope_theta"):
            kwargs.pop(key, None)
        super().__init__(**kwargs)

    def layer(self, index):
        """Heads (of a decoder: key-value heads) and neurons of a layer."""
        of = self.layer_sizes.get(str(index), {})
        skip = of.get("skip", [])
        key = "num_key_value_heads" if hasattr(self, "num_key_value_heads") else "num_attention_heads"
        heads = 0 if "attention" in skip else of.get(key, getattr(self, key))
        neurons = 0 if "mlp" in skip else of.get("intermediate_size", self.intermediate_size)
        return heads, neurons


class AptModel(PreTrainedModel):
    """Modules under the names that the weights file has for them."""

    config_class = AptConfig
    base_model_prefix = ""
    _supports_sdpa = True

    def put(self, name, module):
        """Makes `module` the one that the weights file calls `name`."""
        *path, last = name.split(".")
        place = self
        for part in path:
            if part not in place._modules:
                place.add_module(part, nn.Module())
            place = place._modules[part]
        place.add_module(last, module)

    def at(self, name):
        return self.get_submodule(name)

    def named(self, index, kind, which):
        names = self.config.module_names
        return names["layer"].replace("{}", str(index)) + "." + names[kind][which]

    def of(self, index, kind, which):
        return self.at(self.named(index, kind, which))

    def get_input_embeddings(self):
        return self.at(self.config.module_names["words"])

    def set_input_embeddings(self, embeddings):
        self.put(self.config.module_names["words"], embeddings)

    def _init_weights(self, module):
        # Every weight is in the file.
        pass


class AptForSequenceClassification(AptModel):
    """The encoder, and a classifier on its first token or on the mean of its tokens."""

    def __init__(self, config):
        super().__init__(config)
        hidden, width = config.hidden_size, config.embedding_size
        names = config.module_names
        self.put(names["words"], nn.Embedding(config.vocab_size, width))
        self.put(names["positions"], nn.Embedding(config.max_position_embeddings, width))
        if config.type_vocab_size > 0:
            self.put(names["types"], nn.Embedding(config.type_vocab_size, width))
        self.put(names["embedding_norm"], nn.LayerNorm(width, eps=config.layer_norm_eps))
        if width != hidden:
            self.put(names["projection"], nn.Linear(width, hidden))
        for index in range(config.num_hidden_layers):
            heads, neurons = config.layer(index)
            inner = heads * config.head_dim
            if heads:
                for site in ("query", "key", "value"):
                    self.put(self.named(index, "linears", site), nn.Linear(hidden, inner))
                self.put(self.named(index, "linears", "output"), nn.Linear(inner, hidden))
                self.put(self.named(index, "norms", "attention"), nn.LayerNorm(hidden, eps=config.layer_norm_eps))
            if neurons:
                self.put(self.named(index, "linears", "up"), nn.Linear(hidden, neurons))
                self.put(self.named(index, "linears", "down"), nn.Linear(neurons, hidden))
                self.put(self.named(index, "norms", "feed_forward"), nn.LayerNorm(hidden, eps=config.layer_norm_eps))
        dense = config.classifier_size
        if dense:
            self.put(names["dense"], nn.Linear(hidden, dense))
        self.put(names["classifier"], nn.Linear(dense or hidden, config.num_labels))
        self.post_init()

    def embed(self, input_ids, attention_mask, token_type_ids):
        config, names = self.config, self.config.module_names
        if config.positions_after_padding:
            positions = attention_mask.cumsum(1) * attention_mask + config.pad_token_id
        else:
            positions = torch.arange(input_ids.shape[1], device=input_ids.device)[None]
        x = self.at(names["words"])(input_ids) + self.at(names["positions"])(positions)
        if config.type_vocab_size > 0:
            types = torch.zeros_like(input_ids) if token_type_ids is None else token_type_ids
            x = x + self.at(names["types"])(types)
        x = self.at(names["embedding_norm"])(x)
        return x if config.embedding_size == config.hidden_size else self.at(names["projection"])(x)

    def attend(self, x, bias, index, heads):
        def split(site):
            y = self.of(index, "linears", site)(x)
            return y.unflatten(-1, (heads, self.config.head_dim)).transpose(1, 2)

        y = functional.scaled_dot_product_attention(split("query"), split("key"), split("value"), attn_mask=bias)
        return self.of(index, "linears", "output")(y.transpose(1, 2).flatten(2))

    def feed(self, x, index):
        y = ACT2FN[self.config.hidden_act](self.of(index, "linears", "up")(x))
        return self.of(index, "linears", "down")(y)

    def forward(self, input_ids, attention_mask=None, token_type_ids=None, labels=None, **kwargs):
        """`input_ids` is `[batch, sequence]`; logits are `[batch, labels]`."""
        config, names = self.config, self.config.module_names
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        x = self.embed(input_ids, mask, token_type_ids)
        bias = ((1 - mask[:, None, None, :]) * -1e9).clamp(min=torch.finfo(x.dtype).min).to(x.dtype)
        for index in range(config.num_hidden_layers):
            heads, neurons = config.layer(index)
            if heads:
                x = self.of(index, "norms", "attention")(x + self.attend(x, bias, index, heads))
            if neurons:
                x = self.of(index, "norms", "feed_forward")(x + self.feed(x, index))
        if config.pooling == "mean":
            weights = mask[:, :, None].to(x.dtype)
            read = (x * weights).sum(1) / weights.sum(1).clamp(min=1)
        else:
            read = x[:, 0]
        if config.classifier_size:
            read = ACT2FN[names["dense_act"]](self.at(names["dense"])(read))
        logits = self.at(names["classifier"])(read)
        loss = None
        if labels is not None:
            if config.problem_type == "multi_label_classification":
                loss = functional.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))
            elif config.num_labels == 1:
                loss = functional.mse_loss(logits[:, 0], labels.to(logits.dtype))
            else:
                loss = functional.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)


class Rms(nn.Module):
    """A norm of the root mean square, computed in 32 bits."""

    def __init__(self, width, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x):
        y = x.float()
        return self.weight * (y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + self.eps)).to(x.dtype)


class Transposed(nn.Module):
    """A linear layer whose weight is `[in, out]`, as GPT-2's file has it."""

    def __init__(self, inputs, outputs, bias=True):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x):
        y = x @ self.weight
        return y if self.bias is None else y + self.bias


class AptForCausalLM(AptModel, GenerationMixin):
    """The decoder, and a head that says what follows each token."""

    main_input_name = "input_ids"
    _supports_cache_class = True

    def __init__(self, config):
        super().__init__(config)
        hidden, size, wiring, names = config.hidden_size, config.head_dim, config.wiring, config.module_names

        def norm(name, width):
            eps = wiring["norm_eps"]
            self.put(name, Rms(width, eps) if wiring["norm"] == "rms" else nn.LayerNorm(width, eps=eps))

        def linear(index, site, inputs, outputs):
            made = Transposed if wiring["transposed"] else nn.Linear
            of = "value" if site == "fused" else site
            self.put(self.named(index, "linears", site), made(inputs, outputs, bias=of in wiring["biases"]))

        self.put(names["words"], nn.Embedding(config.vocab_size, hidden))
        if not wiring["rotary"]:
            self.put(names["positions"], nn.Embedding(config.max_position_embeddings, hidden))
        for index in range(config.num_hidden_layers):
            units, neurons = config.layer(index)
            inner = units * size
            queries = inner * wiring["queries_per_key"]
            if units:
                norm(self.named(index, "norms", "attention"), hidden)
                if "fused" in names["linears"]:
                    linear(index, "fused", hidden, queries + 2 * inner)
                else:
                    for site, outputs in (("query", queries), ("key", inner), ("value", inner)):
                        linear(index, site, hidden, outputs)
                linear(index, "output", queries, hidden)
                for of in names.get("head_norms", {}):
                    norm(self.named(index, "head_norms", of), size)
            if neurons:
                norm(self.named(index, "norms", "feed_forward"), hidden)
                for site in ("gate", "up") if wiring["gated"] else ("up",):
                    linear(index, site, hidden, neurons)
                linear(index, "down", neurons, hidden)
        norm(names["final_norm"], hidden)
        if not wiring["tied"]:
            self.put(names["head"], nn.Linear(hidden, config.vocab_size, bias=False))
        self.post_init()

    def get_output_embeddings(self):
        # The table of words is used as it is where the two are tied, so nothing has to be tied.
        return None if self.config.wiring["tied"] else self.at(self.config.module_names["head"])

    def set_output_embeddings(self, head):
        self.put(self.config.module_names["head"], head)

    def turned(self, x, angles):
        """Turns dim i of every head together with dim i + size/2."""
        half = x.shape[-1] // 2
        a, b = x[..., :half], x[..., half:]
        cos, sin = angles
        return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)

    def attend(self, x, bias, angles, cache, slot, index, units):
        wiring, size, names = self.config.wiring, self.config.head_dim, self.config.module_names
        group = wiring["queries_per_key"]
        if "fused" in names["linears"]:
            q, k, v = self.of(index, "linears", "fused")(x).split((units * group * size, units * size, units * size), -1)
        else:
            q, k, v = (self.of(index, "linears", site)(x) for site in ("query", "key", "value"))
        q, k, v = (y.unflatten(-1, (-1, size)) for y in (q, k, v))
        if "head_norms" in names:
            q, k = self.of(index, "head_norms", "query")(q), self.of(index, "head_norms", "key")(k)
        q, k, v = (y.transpose(1, 2) for y in (q, k, v))
        if angles is not None:
            q, k = self.turned(q, angles), self.turned(k, angles)
        if cache is not None:
            k, v = cache.update(k, v, slot)
        if group > 1:
            k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        y = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return self.of(index, "linears", "output")(y.transpose(1, 2).flatten(2))

    def feed(self, x, index):
        act, up = ACT2FN[self.config.hidden_act], self.of(index, "linears", "up")(x)
        y = act(self.of(index, "linears", "gate")(x)) * up if self.config.wiring["gated"] else act(up)
        return self.of(index, "linears", "down")(y)

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        position_ids=None,
        past_key_values=None,
        cache=None,
        inputs_embeds=None,
        labels=None,
        use_cache=None,
        logits_to_keep=0,
        **kwargs,
    ):
        """`input_ids` is `[batch, sequence]`, what follows those in the cache; logits are `[batch, sequence, vocabulary]`.

        The cache was called `past_key_values` before it was called `cache`.
        """
        config, names, wiring = self.config, self.config.module_names, self.config.wiring
        x = self.at(names["words"])(input_ids) if inputs_embeds is None else inputs_embeds
        length = x.shape[1]
        cache = past_key_values if cache is None else cache
        if cache is None and use_cache is not False:
            cache = DynamicCache()
        past = 0 if cache is None else cache.get_seq_length()
        places = torch.arange(past, past + length, device=x.device)
        mask = None if attention_mask is None or attention_mask.dim() != 2 else attention_mask
        if position_ids is None:
            position_ids = places[None].expand(x.shape[0], -1)
            if mask is not None and mask.shape[1] == past + length:
                position_ids = (mask.long().cumsum(1) - 1).clamp(min=0)[:, -length:]
        seen = torch.arange(past + length, device=x.device)[None, :] <= places[:, None]
        seen = seen[None, None].expand(x.shape[0], 1, -1, -1)
        if mask is not None:
            seen = seen & mask.bool()[:, None, None, : past + length]
        bias = torch.zeros(seen.shape, dtype=x.dtype, device=x.device)
        bias = bias.masked_fill(~seen, torch.finfo(x.dtype).min)
        angles = None
        if wiring["rotary"]:
            frequencies = torch.tensor(wiring["frequencies"], dtype=torch.float64, device=x.device)
            turns = position_ids.to(torch.float64)[:, None, :, None] * frequencies
            angles = [(f(turns) * wiring["angle_scale"]).to(x.dtype) for f in (torch.cos, torch.sin)]
        else:
            x = x + self.at(names["positions"])(position_ids)
        # A layer without attention has no place in the cache.
        slot = 0
        for index in range(config.num_hidden_layers):
            units, neurons = config.layer(index)
            if units:
                read = self.of(index, "norms", "attention")(x)
                x = x + self.attend(read, bias, angles, cache, slot, index, units)
                slot += 1
            if neurons:
                x = x + self.feed(self.of(index, "norms", "feed_forward")(x), index)
        x = self.at(names["final_norm"])(x)
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) and logits_to_keep else slice(None)
        head = self.at(names["words"] if wiring["tied"] else names["head"])
        logits = functional.linear(x[:, kept], head.weight)
        loss = None
        if labels is not None:
            loss = functional.cross_entropy(logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten())
        output = CausalLMOutputWithPast(loss=loss, logits=logits)
        output["cache" if hasattr(output, "cache") else "past_key_values"] = cache
        return output

    def prepare_inputs_for_generation(
        self, input_ids, past_key_values=None, cache=None, attention_mask=None, use_cache=True, **kwargs
    ):
        """What the cache does not hold yet: all of the text where there is none, or no layer that would fill it."""
        cache = past_key_values if cache is None else cache
        past = 0 if cache is None else cache.get_seq_length()
        unread = input_ids[:, past:] if past < input_ids.shape[1] else input_ids
        return {"input_ids": unread, "attention_mask": attention_mask, "cache": cache, "use_cache": use_cache}
