// Parts of a vector, each where a buffer may begin that is bound alone. info: parts, then where each ends in the vector,
// then where each begins in the result.

{{main}}
    let i = number * {{lanes}} + lane;
    let parts = info[0];
    if (i >= info[parts]) {
        return;
    }
    // The first part that ends behind this element.
    var part = 1u;
    var behind = parts;
    while (part < behind) {
        let middle = (part + behind) / 2u;
        if (i < info[middle]) {
            behind = middle;
        } else {
            part = middle + 1u;
        }
    }
    let begin = select(info[part - 1u], 0u, part == 1u);
    out[info[parts + part] + i - begin] = whole[i];
}
