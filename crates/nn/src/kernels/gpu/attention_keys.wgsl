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
    let start = sequence * length * width + (row / length) % info[2] * size;
    let key = row % length;
    // The head's first weight for this key.
    let weights = row / length * length * length + key;
    for (var d = lane; d < size; d += {{lanes}}) {
        var of_key = 0.0;
        var of_value = 0.0;
        for (var i = 0u; i < length; i++) {
            let query = start + i * width + d;
            of_key += ds[weights + i * length] * q[query];
            of_value += p[weights + i * length] * g[query];
        }
        dk[start + key * width + d] = of_key;
        dv[start + key * width + d] = of_value;
    }
}
