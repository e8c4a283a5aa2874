// Elements of the matrices by their strides, zero beyond their edges; `start`: where the matrix begins.
// info: rows, columns, s; of a·b and then of c·d: inner dimension, strides of the left matrix, of the right one; then
// what a batch or a share of the inner dimension needs (linear.rs).
fn of_left(start: u32, end: u32, term: u32, row: u32, k: u32) -> f32 {
    let at = 3u + 5u * term;
    if (row >= info[0] || k >= end) {
        return 0.0;
    }
    let l = start + row * info[at + 1u] + k * info[at + 2u];
    if (term == 0u) {
        return a[l];
    }
    return {{second left}};
}

fn of_right(start: u32, end: u32, term: u32, k: u32, column: u32) -> f32 {
    let at = 3u + 5u * term;
    if (column >= info[1] || k >= end) {
        return 0.0;
    }
    let r = start + k * info[at + 3u] + column * info[at + 4u];
    if (term == 0u) {
        return b[r];
    }
    return {{second right}};
}

{{gelu}}
fn store(start: u32, row: u32, column: u32, sum: f32) {
    let i = start + row * {{row}} + column;
    let value = sum * bitcast<f32>(info[2]){{bias}};
    {{store}}
}
