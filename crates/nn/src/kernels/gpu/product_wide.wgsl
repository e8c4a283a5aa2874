// out = s·(a·b + c·d) + bias, four numbers at a time: tiles of 8·side × 8·side, 8 × 8 an invocation, `side`² invocations.
// Each matrix has an axis along which its numbers lie side by side, in fours; so has the result along its rows.
// info: as in operands.wgsl.

const SIDE = {{side}};

// Four rows of the left matrix, four columns of the right one, at `side` inner indices. Where a block stands within its
// row is mixed with the inner index, so that invocations that turn what they read write to different banks.
var<workgroup> left: array<vec4<f32>, 2u * SIDE * SIDE>;
var<workgroup> right: array<vec4<f32>, 2u * SIDE * SIDE>;

{{blocks}}
{{gelu}}

fn store(row: u32, column: u32, start: u32, sum: vec4<f32>) {
    if (row < info[0] && column < info[1]) {
        let i = (start + row * {{row}} + column) / 4u;
        let value = sum * bitcast<f32>(info[2]){{bias}};
        {{store}}
    }
}

@compute @workgroup_size({{lanes}})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let x = lane % SIDE;
    let y = lane / SIDE;
    // Half of the invocations read the left matrix, half the right one, a block each.
    let is_left = lane < SIDE * SIDE / 2u;
    let reading = lane % (SIDE * SIDE / 2u);
    let first = select(group.x, group.y, is_left) * 8u * SIDE;
    let bound = select(info[1], info[0], is_left);
    let start = select({{right start}}, {{left start}}, is_left);
    var s0 = vec4<f32>();
    var s1 = vec4<f32>();
    var s2 = vec4<f32>();
    var s3 = vec4<f32>();
    var s4 = vec4<f32>();
    var s5 = vec4<f32>();
    var s6 = vec4<f32>();
    var s7 = vec4<f32>();
    var t0 = vec4<f32>();
    var t1 = vec4<f32>();
    var t2 = vec4<f32>();
    var t3 = vec4<f32>();
    var t4 = vec4<f32>();
    var t5 = vec4<f32>();
    var t6 = vec4<f32>();
    var t7 = vec4<f32>();
    for (var term = 0u; term < {{terms}}; term++) {
        let at = 3u + 5u * term;
        let begin = {{begin}};
        let end = {{end}};
        // Strides along the tile and along the inner dimension; where the numbers of a line lie along the latter, the
        // block is turned.
        let across = select(info[at + 4u], info[at + 1u], is_left);
        let inward = select(info[at + 3u], info[at + 2u], is_left);
        let turned = inward == 1u;
        let next = select(inward, across, turned);
        let inner_block = select(reading / (2u * SIDE), reading % (SIDE / 4u), turned);
        let block = select(reading % (2u * SIDE), reading / (SIDE / 4u), turned);
        let outer = first + block * 4u;
        let place = inner_block * 8u * SIDE + (block ^ (inner_block * 2u));
        var k = begin + inner_block * 4u;
        var i = start + outer * across + k * inward;
        var read = block_at(is_left, term, i, next, lines(k, end, outer, bound, turned), turned);
        for (var k0 = begin; k0 < end; k0 += SIDE) {
            // What was read before is used up.
            workgroupBarrier();
            if (is_left) {
                left[place] = read.v0;
                left[place + 2u * SIDE] = read.v1;
                left[place + 4u * SIDE] = read.v2;
                left[place + 6u * SIDE] = read.v3;
            } else {
                right[place] = read.v0;
                right[place + 2u * SIDE] = read.v1;
                right[place + 4u * SIDE] = read.v2;
                right[place + 6u * SIDE] = read.v3;
            }
            workgroupBarrier();
            // The next block is read while this one is multiplied.
            k += SIDE;
            i += SIDE * inward;
            read = block_at(is_left, term, i, next, lines(k, end, outer, bound, turned), turned);
            for (var j = 0u; j < SIDE; j++) {
                let mixed = (j / 4u) * 2u;
                let row = j * 2u * SIDE;
                let l = left[row + (y ^ mixed)];
                let m = left[row + ((y + SIDE) ^ mixed)];
                let r = right[row + (x ^ mixed)];
                let u = right[row + ((x + SIDE) ^ mixed)];
                s0 += l.x * r;
                t0 += l.x * u;
                s1 += l.y * r;
                t1 += l.y * u;
                s2 += l.z * r;
                t2 += l.z * u;
                s3 += l.w * r;
                t3 += l.w * u;
                s4 += m.x * r;
                t4 += m.x * u;
                s5 += m.y * r;
                t5 += m.y * u;
                s6 += m.z * r;
                t6 += m.z * u;
                s7 += m.w * r;
                t7 += m.w * u;
            }
        }
    }
    let row = group.y * 8u * SIDE + y * 4u;
    let low = row + 4u * SIDE;
    let column = group.x * 8u * SIDE + x * 4u;
    let far = column + 4u * SIDE;
    let base = {{out start}};
    store(row, column, base, s0);
    store(row, far, base, t0);
    store(row + 1u, column, base, s1);
    store(row + 1u, far, base, t1);
    store(row + 2u, column, base, s2);
    store(row + 2u, far, base, t2);
    store(row + 3u, column, base, s3);
    store(row + 3u, far, base, t3);
    store(low, column, base, s4);
    store(low, far, base, t4);
    store(low + 1u, column, base, s5);
    store(low + 1u, far, base, t5);
    store(low + 2u, column, base, s6);
    store(low + 2u, far, base, t6);
    store(low + 3u, column, base, s7);
    store(low + 3u, far, base, t7);
}
