"""A pruned encoder with a classifier for transformers: layers may differ in width, or lack attention or feed-forward.

Written by APT Lab beside the model that it loads (MIT OR Apache-2.0). config.json has what differs between layers in
`per_layer_config` and the names of all modules in `modules`, so one file serves every family of encoders.
"""

import torch
from torch import nn
from torch.nn import functional
from transformers import PretrainedConfig, PreTrainedModel
from transformers.activations import ACT2FN
from transformers.modeling_outputs import SequenceClassifierOutput


class AptConfig(PretrainedConfig):
    """Sizes of all layers, and of those that are narrower than the widest."""

    model_type = "apt"

    def __init__(self, per_layer_config=None, modules=None, **kwargs):
        # Under a name of its own: newer versions of transformers give `per_layer_config` a meaning that only their own
        # models know.
        self.layer_sizes = kwargs.pop("layer_sizes", None) or per_layer_config or {}
        self.module_names = kwargs.pop("module_names", None) or modules or {}
        super().__init__(**kwargs)

    def layer(self, index):
        """Heads and neurons of a layer."""
        of = self.layer_sizes.get(str(index), {})
        skip = of.get("skip", [])
        heads = 0 if "attention" in skip else of.get("num_attention_heads", self.num_attention_heads)
        neurons = 0 if "mlp" in skip else of.get("intermediate_size", self.intermediate_size)
        return heads, neurons


class AptForSequenceClassification(PreTrainedModel):
    """The encoder, and a classifier on its first token or on the mean of its tokens."""

    config_class = AptConfig
    base_model_prefix = ""
    _supports_sdpa = True

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

    def get_input_embeddings(self):
        return self.at(self.config.module_names["words"])

    def set_input_embeddings(self, embeddings):
        self.put(self.config.module_names["words"], embeddings)

    def _init_weights(self, module):
        # Every weight is in the file.
        pass

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
            y = self.at(self.named(index, "linears", site))(x)
            return y.unflatten(-1, (heads, self.config.head_dim)).transpose(1, 2)

        y = functional.scaled_dot_product_attention(split("query"), split("key"), split("value"), attn_mask=bias)
        return self.at(self.named(index, "linears", "output"))(y.transpose(1, 2).flatten(2))

    def feed(self, x, index):
        y = ACT2FN[self.config.hidden_act](self.at(self.named(index, "linears", "up"))(x))
        return self.at(self.named(index, "linears", "down"))(y)

    def forward(self, input_ids, attention_mask=None, token_type_ids=None, labels=None, **kwargs):
        """`input_ids` is `[batch, sequence]`; logits are `[batch, labels]`."""
        config, names = self.config, self.config.module_names
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        x = self.embed(input_ids, mask, token_type_ids)
        bias = ((1 - mask[:, None, None, :]) * -1e9).clamp(min=torch.finfo(x.dtype).min).to(x.dtype)
        for index in range(config.num_hidden_layers):
            heads, neurons = config.layer(index)
            if heads:
                x = self.at(self.named(index, "norms", "attention"))(x + self.attend(x, bias, index, heads))
            if neurons:
                x = self.at(self.named(index, "norms", "feed_forward"))(x + self.feed(x, index))
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
