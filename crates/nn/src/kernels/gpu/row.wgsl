// For kernels with a workgroup for each row: what its invocations find out together.

var<workgroup> scratch: array<f32, {{lanes}}>;

// The sum of what the invocations hand in.
fn total(value: f32, lane: u32) -> f32 {
    workgroupBarrier();
    scratch[lane] = value;
    workgroupBarrier();
    for (var reach = {{half}}; reach > 0u; reach >>= 1u) {
        if (lane < reach) {
            scratch[lane] += scratch[lane + reach];
        }
        workgroupBarrier();
    }
    return scratch[0];
}

// The largest of what the invocations hand in.
fn largest(value: f32, lane: u32) -> f32 {
    workgroupBarrier();
    scratch[lane] = value;
    workgroupBarrier();
    for (var reach = {{half}}; reach > 0u; reach >>= 1u) {
        if (lane < reach) {
            scratch[lane] = max(scratch[lane], scratch[lane + reach]);
        }
        workgroupBarrier();
    }
    return scratch[0];
}

