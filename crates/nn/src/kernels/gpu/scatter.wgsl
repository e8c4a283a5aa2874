// Matrices out of a whole, where their rows lie apart, each where a buffer may begin that is bound alone. info: elements of
// all of them, then of every matrix where it begins in the whole, its rows and columns, how far apart its rows are, and
// where it begins in the result.

{{main}}
    var i = number * {{lanes}} + lane;
    if (i >= info[0]) {
        return;
    }
    var at = 1u;
    var n = info[at + 1u] * info[at + 2u];
    while (i >= n) {
        i -= n;
        at += 5u;
        n = info[at + 1u] * info[at + 2u];
    }
    let columns = info[at + 2u];
    out[info[at + 4u] + i] = whole[info[at] + i / columns * info[at + 3u] + i % columns];
}
