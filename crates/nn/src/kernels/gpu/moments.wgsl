// The moments after a gradient that is clipped to a norm. info: elements, norm, β₁, 1 − β₁, β₂, 1 − β₂.

{{main}}
    let i = number * {{lanes}} + lane;
    let size = sqrt(total(parts[lane], lane));
    if (i == 0u) {
        norm[0] = size;
    }
    if (i >= info[0]) {
        return;
    }
    let slope = g[i] * min(bitcast<f32>(info[1]) / (size + 1e-6), 1.0);
    new_first[i] = first[i] * bitcast<f32>(info[2]) + slope * bitcast<f32>(info[3]);
    new_second[i] = second[i] * bitcast<f32>(info[4]) + slope * slope * bitcast<f32>(info[5]);
}
