// The moments after a gradient that is clipped to a norm. info: elements, norm, β₁, 1 − β₁, β₂, 1 − β₂.

@compute @workgroup_size({{lanes}})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (group.y * groups.x + group.x) * {{lanes}} + lane;
    let size = sqrt(total(parts[lane], lane));
    if (i == 0u) {
        norm[0] = size;
    }
    if (i >= info[0]) {
        return;
    }
    let slope = g[i] * min(bitcast<f32>(info[1]) / (size + 1e-6), 1.0);
    new_first[i] = first[i] * bitcast<f32>(info[2]) + slope * bitcast<f32>(info[3]);
    new_second[i] = second[i] * bitcast<f32>(info[4]) + slope * slope * bitcast<f32>(info[5]);
}
