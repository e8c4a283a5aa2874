// A key of a head, a workgroup each: the gradients of k and v, from those of s·q·kᵀ (ds), the weights p and the gradient
// g of the result. info: as in attention.wgsl.

{{main}}
    let row = number;
    if (row >= info[0]) {
        return;
    }
    let length = info[1];
    let size = info[3];
    let width = info[2] * size;
    let sequence = row / (length * info[2]);
    let across = 3u * width;
    let column = (row / length) % info[2] * size;
    let start = sequence * length;
    let key = row % length;
    // The head's first weight for this key.
    let weights = row / length * length * length + key;
    for (var d = lane; d < size; d += {{lanes}}) {
        var of_key = 0.0;
        var of_value = 0.0;
        for (var i = 0u; i < length; i++) {
            of_key += ds[weights + i * length] * qkv[(start + i) * across + column + d];
            of_value += p[weights + i * length] * g[(start + i) * width + column + d];
        }
        let at = (start + key) * across + width + column + d;
        dqkv[at] = of_key;
        dqkv[at + width] = of_value;
    }
}
