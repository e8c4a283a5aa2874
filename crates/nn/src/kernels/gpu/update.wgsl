// The values after AdamW's update. info: elements, η, ε, η/(1 − β₁ᵗ), 1 − β₂ᵗ.

{{main}}
    let i = number * {{lanes}} + lane;
    if (i >= info[0]) {
        return;
    }
    let root = sqrt(second[i] / bitcast<f32>(info[4])) + bitcast<f32>(info[2]);
    let update = first[i] / root * bitcast<f32>(info[3]);
    out[i] = values[i] - values[i] * decay[i] * bitcast<f32>(info[1]) - update;
}
