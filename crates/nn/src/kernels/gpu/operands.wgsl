// Elements of the matrices by their strides, zero beyond their edges.
fn of_left(term: u32, row: u32, k: u32) -> f32 {
    let at = 3u + 5u * term;
    if (row >= info[0] || k >= info[at]) {
        return 0.0;
    }
    let l = row * info[at + 1u] + k * info[at + 2u];
    if (term == 0u) {
        return a[l];
    }
    return {{second left}};
}

fn of_right(term: u32, k: u32, column: u32) -> f32 {
    let at = 3u + 5u * term;
    if (column >= info[1] || k >= info[at]) {
        return 0.0;
    }
    let r = k * info[at + 3u] + column * info[at + 4u];
    if (term == 0u) {
        return b[r];
    }
    return {{second right}};
}

fn store(row: u32, column: u32, sum: f32) {
    out[row * info[1] + column] = sum * bitcast<f32>(info[2]){{bias}};
}
