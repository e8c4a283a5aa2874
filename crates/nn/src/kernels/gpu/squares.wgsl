// Sums of squares of a vector, one for each workgroup. info: elements, workgroups.

@compute @workgroup_size({{lanes}})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    var sum = 0.0;
    for (var i = group.x * {{lanes}} + lane; i < info[0]; i += info[1] * {{lanes}}) {
        sum += g[i] * g[i];
    }
    sum = total(sum, lane);
    if (lane == 0u) {
        parts[group.x] = sum;
    }
}
