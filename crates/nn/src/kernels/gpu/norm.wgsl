// Layer normalisation of z = x or x + y, a workgroup for each row; dims whose mask is zero take no part. With the
// gradient g of the result, the gradient of z instead.
// info: rows, width, dims that take part, ε.

{{main}}
    let row = number;
    if (row >= info[0]) {
        return;
    }
    let width = info[1];
    let n = bitcast<f32>(info[2]);
    let start = row * width;
    var sum = 0.0;
    for (var column = lane; column < width; column += {{lanes}}) {
        let at = start + column;
        sum += ({{z}}) * {{part}};
    }
    let mean = total(sum, lane) / n;
    sum = 0.0;
    for (var column = lane; column < width; column += {{lanes}}) {
        let at = start + column;
        let centred = (({{z}}) - mean) * {{part}};
        sum += centred * centred;
    }
    let scale = 1.0 / sqrt(total(sum, lane) / n + bitcast<f32>(info[3]));
    {{rest}}
}
