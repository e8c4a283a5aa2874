// Copies parts to where they stand in a whole, or back. info: where the first one begins in the whole, where each ends
// from there.

{{main}}
    let i = number * {{lanes}} + lane;
    let start = info[0];
    var base = 0u;
{{branches}}
}
