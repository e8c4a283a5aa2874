// Sums of squared differences, one for each workgroup, each row times a factor before it is squared. info: elements,
// columns, workgroups, s.

@compute @workgroup_size({{lanes}})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    var sum = 0.0;
    for (var i = group.x * {{lanes}} + lane; i < info[0]; i += info[2] * {{lanes}}) {
        let difference = (one[i] - other[i]){{counts}};
        sum += difference * difference;
    }
    sum = total(sum, lane);
    if (lane == 0u) {
        parts[group.x] = sum * bitcast<f32>(info[3]);
    }
}
