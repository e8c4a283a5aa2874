// How long a training step of a run takes.

/** The upper median. */
export const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/** Seconds of a step of a recorded run: the median, without the first `warm`. */
export const stepSeconds = ({ curve }, warm) =>
  median(curve.slice(warm).map((point, i) => point.seconds - curve[i + warm - 1].seconds));
