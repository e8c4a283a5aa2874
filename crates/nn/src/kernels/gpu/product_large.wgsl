// out = s·(a·b + c·d) + bias in tiles of 64 × 64, a block of 4 × 4 an invocation.
// info: as in operands.wgsl.

// Four rows of the left matrix at an inner index, four columns of the right one.
var<workgroup> left: array<vec4<f32>, 256>;
var<workgroup> right: array<vec4<f32>, 256>;

{{operands}}

fn store_row(start: u32, row: u32, column: u32, sums: vec4<f32>) {
    if (row >= info[0]) {
        return;
    }
    if (column < info[1]) {
        store(start, row, column, sums.x);
    }
    if (column + 1u < info[1]) {
        store(start, row, column + 1u, sums.y);
    }
    if (column + 2u < info[1]) {
        store(start, row, column + 2u, sums.z);
    }
    if (column + 3u < info[1]) {
        store(start, row, column + 3u, sums.w);
    }
}

@compute @workgroup_size({{lanes}})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let x = lane % 16u;
    let y = lane / 16u;
    let left_start = {{left start}};
    let right_start = {{right start}};
    let out_start = {{out start}};
    var sum0 = vec4<f32>();
    var sum1 = vec4<f32>();
    var sum2 = vec4<f32>();
    var sum3 = vec4<f32>();
    for (var term = 0u; term < {{terms}}; term++) {
        let at = 3u + 5u * term;
        let end = {{end}};
        // Neighbouring invocations read neighbouring numbers.
        let left_along = info[at + 2u] == 1u;
        let right_along = info[at + 4u] == 1u;
        let left_k = select(y, x, left_along);
        let left_block = select(x, y, left_along);
        let right_k = select(x, y, right_along);
        let right_block = select(y, x, right_along);
        let row = group.y * 64u + left_block * 4u;
        let column = group.x * 64u + right_block * 4u;
        for (var k = {{begin}}; k < end; k += 16u) {
            left[left_k * 16u + left_block] = vec4<f32>(
                of_left(left_start, end, term, row, k + left_k),
                of_left(left_start, end, term, row + 1u, k + left_k),
                of_left(left_start, end, term, row + 2u, k + left_k),
                of_left(left_start, end, term, row + 3u, k + left_k),
            );
            right[right_k * 16u + right_block] = vec4<f32>(
                of_right(right_start, end, term, k + right_k, column),
                of_right(right_start, end, term, k + right_k, column + 1u),
                of_right(right_start, end, term, k + right_k, column + 2u),
                of_right(right_start, end, term, k + right_k, column + 3u),
            );
            workgroupBarrier();
            for (var i = 0u; i < 16u; i++) {
                let l = left[i * 16u + y];
                let r = right[i * 16u + x];
                sum0 += l.x * r;
                sum1 += l.y * r;
                sum2 += l.z * r;
                sum3 += l.w * r;
            }
            workgroupBarrier();
        }
    }
    let row = group.y * 64u + y * 4u;
    let column = group.x * 64u + x * 4u;
    store_row(out_start, row, column, sum0);
    store_row(out_start, row + 1u, column, sum1);
    store_row(out_start, row + 2u, column, sum2);
    store_row(out_start, row + 3u, column, sum3);
}
