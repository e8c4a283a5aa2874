// What product_wide.wgsl and product_narrow.wgsl share: matrices read in blocks of four by four numbers.

struct Block {
    v0: vec4<f32>,
    v1: vec4<f32>,
    v2: vec4<f32>,
    v3: vec4<f32>,
}

// Four numbers of the left or right matrix of a term.
fn line(is_left: bool, term: u32, i: u32) -> vec4<f32> {
    if (is_left) {
        if (term == 0u) {
            return a[i];
        }
        return {{second left}};
    }
    if (term == 0u) {
        return b[i];
    }
    return {{second right}};
}

// Lines of the block that begins at `outer` along the tile and at `k`; a turned block's lie along the tile.
fn lines(k: u32, end: u32, outer: u32, bound: u32, turned: bool) -> u32 {
    if (k >= end || outer >= bound) {
        return 0u;
    }
    return select(end - k, bound - outer, turned);
}

// The block from number `i` on, its lines `next` apart, as many as there are, zero for the rest. The result's lines lie
// along the tile: a turned one is turned back.
fn block_at(is_left: bool, term: u32, i: u32, next: u32, lines: u32, turned: bool) -> Block {
    var v0 = vec4<f32>();
    var v1 = vec4<f32>();
    var v2 = vec4<f32>();
    var v3 = vec4<f32>();
    if (lines > 0u) {
        v0 = line(is_left, term, i / 4u);
    }
    if (lines > 1u) {
        v1 = line(is_left, term, (i + next) / 4u);
    }
    if (lines > 2u) {
        v2 = line(is_left, term, (i + 2u * next) / 4u);
    }
    if (lines > 3u) {
        v3 = line(is_left, term, (i + 3u * next) / 4u);
    }
    if (!turned) {
        return Block(v0, v1, v2, v3);
    }
    return Block(
        vec4<f32>(v0.x, v1.x, v2.x, v3.x),
        vec4<f32>(v0.y, v1.y, v2.y, v3.y),
        vec4<f32>(v0.z, v1.z, v2.z, v3.z),
        vec4<f32>(v0.w, v1.w, v2.w, v3.w),
    );
}
