// The sum of |h| times the sum of |g| of every column, 16 columns a workgroup.
// info: rows, columns, strides of h, strides of g.

var<workgroup> sums: array<vec2<f32>, 256>;

{{main}}
    let column = number * 16u + lane % 16u;
    var sum = vec2<f32>();
    if (column < info[1]) {
        for (var row = lane / 16u; row < info[0]; row += 16u) {
            sum.x += abs(h[row * info[2] + column * info[3]]);
            sum.y += abs(g[row * info[4] + column * info[5]]);
        }
    }
    sums[lane] = sum;
    for (var reach = 128u; reach >= 16u; reach >>= 1u) {
        workgroupBarrier();
        if (lane < reach) {
            sums[lane] += sums[lane + reach];
        }
    }
    if (lane < 16u && column < info[1]) {
        out[column] = sums[lane].x * sums[lane].y;
    }
}
