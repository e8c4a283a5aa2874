// The sums of |x|, x and x² over every column, 16 columns a workgroup; what is made of them is said at the launch.
// info: rows, columns, strides of x, rows that count.

var<workgroup> sums: array<vec3<f32>, 256>;

{{main}}
    let column = number * 16u + lane % 16u;
    var sum = vec3<f32>();
    if (column < info[1]) {
        for (var row = lane / 16u; row < info[0]; row += 16u) {
            let value = x[row * info[2] + column * info[3]]{{counts}};
            sum += vec3<f32>(abs(value), value, value * value);
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
        sum = sums[lane];
        {{results}}
    }
}
