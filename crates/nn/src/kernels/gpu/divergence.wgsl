// The divergence of softened logits from a teacher's, and its gradient: factor·Σ p·(log p − log q) over n rows, p and q the
// softmax of the teacher's and of the logits, each divided by the temperature. One workgroup, an invocation for a row.
// info: rows, columns, temperature, factor.

@compute @workgroup_size({{lanes}})
fn main(@builtin(local_invocation_index) lane: u32) {
    let columns = info[1];
    let temperature = bitcast<f32>(info[2]);
    let factor = bitcast<f32>(info[3]);
    var sum = 0.0;
    for (var row = lane; row < info[0]; row += {{lanes}}) {
        let start = row * columns;
        var most = logits[start];
        var most_taught = taught[start];
        for (var column = 1u; column < columns; column++) {
            most = max(most, logits[start + column]);
            most_taught = max(most_taught, taught[start + column]);
        }
        var of_logits = 0.0;
        var of_taught = 0.0;
        for (var column = 0u; column < columns; column++) {
            of_logits += exp((logits[start + column] - most) / temperature);
            of_taught += exp((taught[start + column] - most_taught) / temperature);
        }
        let shift = log(of_logits) - log(of_taught);
        for (var column = 0u; column < columns; column++) {
            let own = (logits[start + column] - most) / temperature;
            let other = (taught[start + column] - most_taught) / temperature;
            let p = exp(other) / of_taught;
            sum += p * (other - own + shift);
            gradient[start + column] = (exp(own) / of_logits - p) * factor / temperature;
        }
    }
    sum = total(sum, lane);
    if (lane == 0u) {
        loss[0] = sum * factor;
    }
}
