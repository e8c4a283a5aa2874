// The sum of the shares of a product. info: elements, shares.

{{main}}
    let i = number * {{lanes}} + lane;
    if (i >= info[0]) {
        return;
    }
    var sum = 0.0;
    for (var share = 0u; share < info[1]; share++) {
        sum += parts[share * info[0] + i];
    }
    out[i] = sum;
}
