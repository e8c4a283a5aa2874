// out = s·(a·b + c·d) + bias in tiles of 16 × 16, one element an invocation.
// info: as in operands.wgsl.

var<workgroup> left: array<f32, 256>;
var<workgroup> right: array<f32, 256>;

{{operands}}

@compute @workgroup_size({{lanes}})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let x = lane % 16u;
    let y = lane / 16u;
    let left_start = {{left start}};
    let right_start = {{right start}};
    let out_start = {{out start}};
    let row = group.y * 16u + y;
    let column = group.x * 16u + x;
    var sum = 0.0;
    for (var term = 0u; term < {{terms}}; term++) {
        let at = 3u + 5u * term;
        let end = {{end}};
        // Neighbouring invocations read neighbouring numbers.
        let left_along = info[at + 2u] == 1u;
        let right_along = info[at + 4u] == 1u;
        for (var k = {{begin}}; k < end; k += 16u) {
            if (left_along) {
                left[lane] = of_left(left_start, end, term, row, k + x);
            } else {
                left[x * 16u + y] = of_left(left_start, end, term, group.y * 16u + x, k + y);
            }
            if (right_along) {
                right[lane] = of_right(right_start, end, term, k + y, column);
            } else {
                right[x * 16u + y] = of_right(right_start, end, term, k + x, group.x * 16u + y);
            }
            workgroupBarrier();
            for (var i = 0u; i < 16u; i++) {
                sum += left[y * 16u + i] * right[i * 16u + x];
            }
            workgroupBarrier();
        }
    }
    if (row < info[0] && column < info[1]) {
        store(out_start, row, column, sum);
    }
}
