// out = s·a·b, four numbers at a time, in tiles of 64 × 16, 4 × 4 an invocation: for results of few columns. And c·d
// beside it, where there are two. Each matrix has an axis along which its numbers lie side by side, in fours.
// info: as in operands.wgsl, then the strides of the result; the same of a second product.

// Four rows of the left matrix (its blocks mixed as in product_wide.wgsl) and four columns of the right one, at 16 inner
// indices.
var<workgroup> left: array<vec4<f32>, 256>;
var<workgroup> right: array<vec4<f32>, 64>;

{{blocks}}

fn store(row: u32, column: u32, start: u32, at: u32, sum: vec4<f32>) {
    if (row < info[at - 3u] && column < info[at - 2u]) {
        let along = info[at + 7u];
        let i = start + row * info[at + 6u] + column * along;
        let value = sum * bitcast<f32>(info[at - 1u]);
        out[i] = value.x;
        out[i + along] = value.y;
        out[i + 2u * along] = value.z;
        out[i + 3u * along] = value.w;
    }
}

@compute @workgroup_size({{lanes}})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let x = lane % 4u;
    let y = lane / 4u;
    let which = {{which}};
    let at = 3u + 11u * which;
    let begin = {{begin}};
    let end = {{end}};
    // Everyone reads a block of the left matrix, the first sixteen one of the right.
    let turned = info[at + 2u] == 1u;
    let right_turned = info[at + 3u] == 1u;
    let left_next = select(info[at + 2u], info[at + 1u], turned);
    let right_next = select(info[at + 3u], info[at + 4u], right_turned);
    let left_block = select(lane % 16u, lane / 4u, turned);
    let left_inner = select(lane / 16u, lane % 4u, turned);
    let right_block = select(lane % 4u, (lane / 4u) % 4u, right_turned);
    let right_inner = select((lane / 4u) % 4u, lane % 4u, right_turned);
    let top = group.y * 64u + left_block * 4u;
    let edge = group.x * 16u + right_block * 4u;
    var k = begin + left_inner * 4u;
    var k_right = begin + right_inner * 4u;
    var i_left = top * info[at + 1u] + k * info[at + 2u];
    var i_right = edge * info[at + 4u] + k_right * info[at + 3u];
    let left_place = left_inner * 64u + (left_block ^ (left_inner * 2u));
    let right_place = right_inner * 16u + right_block;
    var read = block_at(true, which, i_left, left_next, lines(k, end, top, info[at - 3u], turned), turned);
    var read_right: Block;
    if (lane < 16u) {
        read_right = block_at(false, which, i_right, right_next, lines(k_right, end, edge, info[at - 2u], right_turned), right_turned);
    }
    var s0 = vec4<f32>();
    var s1 = vec4<f32>();
    var s2 = vec4<f32>();
    var s3 = vec4<f32>();
    for (var k0 = begin; k0 < end; k0 += 16u) {
        // What was read before is used up.
        workgroupBarrier();
        left[left_place] = read.v0;
        left[left_place + 16u] = read.v1;
        left[left_place + 32u] = read.v2;
        left[left_place + 48u] = read.v3;
        if (lane < 16u) {
            right[right_place] = read_right.v0;
            right[right_place + 4u] = read_right.v1;
            right[right_place + 8u] = read_right.v2;
            right[right_place + 12u] = read_right.v3;
        }
        workgroupBarrier();
        // The next blocks are read while these are multiplied.
        k += 16u;
        k_right += 16u;
        i_left += 16u * info[at + 2u];
        i_right += 16u * info[at + 3u];
        read = block_at(true, which, i_left, left_next, lines(k, end, top, info[at - 3u], turned), turned);
        if (lane < 16u) {
            read_right = block_at(false, which, i_right, right_next, lines(k_right, end, edge, info[at - 2u], right_turned), right_turned);
        }
        for (var i = 0u; i < 16u; i++) {
            let l = left[i * 16u + (y ^ ((i / 4u) * 2u))];
            let r = right[i * 4u + x];
            s0 += l.x * r;
            s1 += l.y * r;
            s2 += l.z * r;
            s3 += l.w * r;
        }
    }
    let row = group.y * 64u + y * 4u;
    let column = group.x * 16u + x * 4u;
    let base = {{out start}};
    store(row, column, base, at, s0);
    store(row + 1u, column, base, at, s1);
    store(row + 2u, column, base, at, s2);
    store(row + 3u, column, base, at, s3);
}
