// A whole of matrices, whose rows lie apart there, with zeros between them. info: first element that is written and the
// one behind the last, then of every matrix where it begins in the whole, its rows and columns, how far apart its rows are,
// where it begins in its buffer, and its strides there.

{{main}}
    let i = info[0] + number * {{lanes}} + lane;
    if (i >= info[1]) {
        return;
    }
    var value = 0.0;
{{branches}}
    whole[i] = value;
}
