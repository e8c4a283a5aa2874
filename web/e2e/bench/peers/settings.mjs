// What peers that take no graph are told of the work; models.py says the same to those that do.

export const adapters = { rank: 8, scale: 2 };
export const optimizer = { rate: 1e-3, decay: 0.1, clip: 1, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
export const EPSILON = 1e-12;
