// The gradient of difference.wgsl's sum, g its own. info: as there.

{{main}}
    let i = number * {{lanes}} + lane;
    if (i >= info[0]) {
        return;
    }
    out[i] = 2.0 * bitcast<f32>(info[3]) * g[0] * (one[i] - other[i]){{counts}}{{counts}};
}
