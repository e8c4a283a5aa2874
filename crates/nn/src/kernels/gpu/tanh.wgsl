// Through tanh, whose value is y, the gradient g. info: elements.

{{main}}
    let i = number * {{lanes}} + lane;
    if (i >= info[0]) {
        return;
    }
    out[i] = g[i] * (1.0 - y[i] * y[i]);
}
