// Φ(x) and φ(x): a fitted polynomial times the density, as on the CPU.
fn normal(x: f32) -> vec2<f32> {
    let size = min(abs(x), 13.0);
    let t = 1.0 / (1.0 + 0.2316419 * size);
    let density = exp(-0.5 * size * size);
    var sum = -0.07238203;
    sum = sum * t + 0.2559604;
    sum = sum * t - 0.21616497;
    sum = sum * t + 0.23888635;
    sum = sum * t + 0.006154533;
    sum = sum * t + 0.10496113;
    sum = sum * t + 0.09003616;
    sum = sum * t + 0.09254839;
    let tail = density * t * sum;
    return vec2<f32>(select(1.0 - tail, tail, x < 0.0), density * 0.3989423);
}
