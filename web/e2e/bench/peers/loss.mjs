/** Mean cross-entropy of `logits`, row by row, against `labels`. */
export function loss(logits, labels) {
  const classes = logits.length / labels.length;
  const of = (label, row) => {
    const own = Array.from(logits.slice(row * classes, (row + 1) * classes));
    const most = Math.max(...own);
    return most + Math.log(own.reduce((sum, logit) => sum + Math.exp(logit - most), 0)) - own[label];
  };
  return labels.map(of).reduce((sum, each) => sum + each, 0) / labels.length;
}
