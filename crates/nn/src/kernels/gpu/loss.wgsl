// The mean cross entropy of n rows of logits, of which classes are right, and its gradient. One workgroup, an invocation
// for a row. info: rows, columns, words of a class.

@compute @workgroup_size({{lanes}})
fn main(@builtin(local_invocation_index) lane: u32) {
    let n = info[0];
    let columns = info[1];
    var sum = 0.0;
    for (var row = lane; row < n; row += {{lanes}}) {
        let start = row * columns;
        var most = logits[start];
        for (var column = 1u; column < columns; column++) {
            most = max(most, logits[start + column]);
        }
        var denominator = 0.0;
        for (var column = 0u; column < columns; column++) {
            denominator += exp(logits[start + column] - most);
        }
        let right = u32(classes[row * info[2]]);
        sum += log(denominator) - (logits[start + right] - most);
        for (var column = 0u; column < columns; column++) {
            let share = exp(logits[start + column] - most) / denominator;
            gradient[start + column] = (share - select(0.0, 1.0, column == right)) / f32(n);
        }
    }
    sum = total(sum, lane);
    if (lane == 0u) {
        loss[0] = sum / f32(n);
    }
}
