// x·Φ(x), or with a gradient g its part g·(Φ(x) + x·φ(x)). info: elements.

{{normal}}
{{main}}
    let i = number * {{lanes}} + lane;
    if (i >= info[0]) {
        return;
    }
    let at = x[i];
    let n = normal(at);
    y[i] = {{value}};
}
