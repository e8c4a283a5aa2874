// A query of a head, a workgroup each: its weights p = softmax(s·q·kᵀ + padding) and what they gather of v. With the
// gradient g of that, the gradients of s·q·kᵀ and of q instead.
// info: queries of all heads and sequences, length, heads, width of a head, s.

{{main}}
    let row = number;
    if (row >= info[0]) {
        return;
    }
    let length = info[1];
    let size = info[3];
    let width = info[2] * size;
    let scale = bitcast<f32>(info[4]);
    let sequence = row / (length * info[2]);
    // Queries, keys and values stand side by side, `across` columns in all.
    let across = 3u * width;
    let column = (row / length) % info[2] * size;
    let start = sequence * length;
    let query = (start + row % length) * across + column;
    let key = start * across + width + column;
    let value = key + width;
    let result = (start + row % length) * width + column;
    let weights = row * length;
    {{rest}}
}
