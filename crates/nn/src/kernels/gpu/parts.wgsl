// Copies parts to where they stand in a whole, or back. info: where the first one begins in the whole, where each ends
// from there.

@compute @workgroup_size({{lanes}})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (group.y * groups.x + group.x) * {{lanes}} + lane;
    let start = info[0];
    var base = 0u;
{{branches}}
}
