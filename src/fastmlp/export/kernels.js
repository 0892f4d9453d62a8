// sum + a * b; of float32 the product is exact in JavaScript's numbers, so that this is nearly a fused multiply-add
const fma = (a, b, sum) => rounded(sum + a * b);

const LANES = 64 / Reals.BYTES_PER_ELEMENT;

// The halves added until one is left: the order in which fastmlp sums what it has summed apart.
function tree(parts) {
  for (let half = parts.length / 2; half >= 1; half /= 2)
    for (let i = 0; i < half; i++) parts[i] = rounded(parts[i] + parts[i + half]);
  return parts[0];
}

// The sum of term(i) for i < n, one partial sum a lane.
function sumOf(n, term) {
  const lanes = new Array(LANES).fill(0);
  for (let i = 0; i < n; i++) lanes[i % LANES] = term(i, lanes[i % LANES]);
  return tree(lanes);
}

const sum = (x) => sumOf(x.length, (i, lane) => rounded(lane + x[i]));
const most = (x) => x.reduce((a, b) => (b > a ? b : a));

// 2 / sqrt(pi) * integral of exp(-t^2) from 0 to x, by its series: all terms have one sign.
function erf(x) {
  if (!(Math.abs(x) <= 6)) return Math.sign(x);
  let term = (2 / Math.sqrt(Math.PI)) * x * Math.exp(-x * x), total = 0;
  for (let k = 3; total + term !== total; k += 2) {
    total += term;
    term *= (2 * x * x) / k;
  }
  return total;
}

const sigmoid = (z) => (z < 0 ? Math.exp(z) / (1 + Math.exp(z)) : 1 / (1 + Math.exp(-z)));
const softplus = (z) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
const between = (z, least, greatest) => Math.min(Math.max(z, least), greatest);
const SELU_SCALE = 1.0507009873554804934193349852946, SELU_ALPHA = 1.6732632423543772848170429916717;

// One number z and the activation's parameter p, in JavaScript's numbers; the result is rounded once.
const ACTIVATIONS = {
  identity: (z) => z,
  step: (z) => (z > 0 ? 1 : 0),
  sigmoid,
  tanh: Math.tanh,
  relu: (z) => Math.max(z, 0),
  leaky_relu: (z, p) => (z > 0 ? z : p * z),
  elu: (z, p) => (z > 0 ? z : p * Math.expm1(z)),
  celu: (z, p) => (z > 0 ? z : p * Math.expm1(z / p)),
  selu: (z) => SELU_SCALE * (z > 0 ? z : SELU_ALPHA * Math.expm1(z)),
  gelu: (z) => (z / 2) * (1 + erf(z * Math.SQRT1_2)),
  gelu_tanh: (z) => z * sigmoid(Math.sqrt(8 / Math.PI) * z * (1 + 0.044715 * z * z)),
  silu: (z) => z * sigmoid(z),
  mish: (z) => z * Math.tanh(softplus(z)),
  softplus,
  softsign: (z) => z / (1 + Math.abs(z)),
  relu6: (z) => between(z, 0, 6),
  hard_tanh: (z) => between(z, -1, 1),
  hard_sigmoid: (z) => between(z + 3, 0, 6) / 6,
  hard_swish: (z) => (z * between(z + 3, 0, 6)) / 6,
  exp: Math.exp,
  log_sigmoid: (z) => -softplus(-z),
  hard_shrink: (z, p) => (Math.abs(z) > p ? z : 0),
  soft_shrink: (z, p) => z - between(z, -p, p),
  tanh_shrink: (z) => z - Math.tanh(z),
  thresholded_relu: (z, p) => (z > p ? z : 0),
  squareplus: (z, p) => (z < 0 ? p / 2 / (Math.hypot(z, Math.sqrt(p)) - z) : (z + Math.hypot(z, Math.sqrt(p))) / 2),
  sparse_plus: (z) => (z > 1 ? z : (between(z + 1, 0, 2) / 2) ** 2),
  sparse_sigmoid: (z) => between(z + 1, 0, 2) / 2,
};

// A whole row z; the largest is taken off first, so that exp cannot overflow.
const ROW_ACTIVATIONS = {
  softmax(z) {
    const largest = most(z), powers = z.map((each) => Math.exp(rounded(each - largest))), total = sum(powers);
    return powers.map((each) => each / total);
  },
  log_softmax(z) {
    const largest = most(z), shifted = z.map((each) => each - largest);
    const log = rounded(Math.log(sum(shifted.map(Math.exp))));
    return shifted.map((each) => each - log);
  },
};

// ---- steps: functions from a row to the next one, with what they hold; `member` counts networks that share weights ----

const step = (kind, holds, run) => Object.assign(run, { kind, ...holds });

// (x - shift) / divisor, each an array or null
const rescale = (shift, divisor) =>
  step("rescale", { shift, divisor }, (x) => {
    const moved = shift ? x.map((each, j) => each - shift[j]) : x;
    return divisor ? moved.map((each, j) => each / divisor[j]) : moved;
  });

// x @ W + b, W (inputs, units) row by row and b an array or null; the inputs are summed in `segments` runs
const product = (W, b, inputs, units, segments) =>
  step("product", { W, b, inputs, units }, (x) => {
    const length = Math.floor(inputs / segments);
    const parts = Array.from({ length: segments }, () => new Reals(units));
    if (b) parts[0].set(b);
    for (let i = 0; i < inputs; i++) {
      const part = parts[Math.min(length ? Math.floor(i / length) : 0, segments - 1)];
      for (let j = 0; j < units; j++) part[j] = fma(x[i], W[i * units + j], part[j]);
    }
    return Reals.from({ length: units }, (_, j) => tree(parts.map((part) => part[j])));
  });

// f(x) with f of ACTIVATIONS or ROW_ACTIVATIONS
function activation(name, parameter) {
  const row = ROW_ACTIVATIONS[name], one = ACTIVATIONS[name];
  if (!row && !one) throw new Error(`activation ${name} is unknown`);
  return step("activation", { activation: name, parameter }, row || ((x) => x.map((z) => one(z, parameter))));
}

// (x - mean) * inverse * gamma + beta
const batchNormalization = (mean, inverse, gamma, beta) =>
  step("batch normalization", { mean, inverse, gamma, beta }, (x) =>
    x.map((each, j) => fma(rounded(rounded(each - mean[j]) * inverse[j]), gamma[j], beta[j])));

// The same with the mean and the variance of the row.
const layerNormalization = (gamma, beta, epsilon) =>
  step("layer normalization", { gamma, beta }, (x) => {
    const n = x.length, mean = rounded(sum(x) / n), off = x.map((each) => each - mean);
    const variance = rounded(sum(off.map((each) => each * each)) / n);
    const inverse = rounded(1 / rounded(Math.sqrt(rounded(variance + epsilon))));
    return off.map((each, j) => fma(rounded(each * inverse), gamma[j], beta[j]));
  });

// max over k of x[k n + j], n numbers out of pieces * n
const largest = (pieces) =>
  step("largest", { pieces }, (x) => {
    const n = x.length / pieces;
    return x.slice(0, n).map((_, j) => most(x.filter((_, i) => i % n === j)));
  });

// x + alpha (f(x) - x)
function share(name, parameter, alpha) {
  const f = activation(name, parameter);
  return step("share", { alpha }, (x) => {
    const a = f(x);
    return x.map((each, j) => fma(alpha[j], rounded(a[j] - each), each));
  });
}

// x where it is above 0, elsewhere x * slope
const slope = (slopes) => step("slope", { slopes }, (x) => x.map((each, j) => (each > 0 ? each : each * slopes[j])));

// The last of x, which are codes, as rows of tables (size, dim), one each, behind the others.
const lookUp = (tables) =>
  step("look up", { tables }, (x) => {
    const numbers = x.length - tables.length;
    const found = tables.map(({ table, size, dim }, t) => {
      const code = x[numbers + t], row = Number.isInteger(code) && code >= 0 && code < size ? code : 0;
      return [...table.subarray(row * dim, (row + 1) * dim)];
    });
    return Reals.from([...x.subarray(0, numbers), ...found.flat()]);
  });

// b_kj + sum_f cos(2 pi (x_j frequency_fj + turns_fj)) W_fkj for each of the first columns j of x, before all of x
const waves = (frequency, turns, W, b, columns, count, values) =>
  step("waves", { frequency, turns, W, b }, (x) => {
    const found = [];
    for (let j = 0; j < columns; j++) {
      const sums = Array.from({ length: values }, (_, k) => b[k * columns + j]);
      for (let f = 0; f < count; f++) {
        const angle = fma(x[j], frequency[f * columns + j], turns[f * columns + j]);
        const wave = rounded(Math.cos(2 * Math.PI * (angle - Math.round(angle))));
        for (let k = 0; k < values; k++) sums[k] = fma(wave, W[(f * values + k) * columns + j], sums[k]);
      }
      found.push(...sums);
    }
    return Reals.from([...found, ...x]);
  });

// x * r + b with a row of r and of b, or null, for each member
const ofMember = (r, b) =>
  step("of member", { r, b }, (x, member) => {
    const at = member * x.length;
    return x.map((each, j) => (b ? fma(each, r[at + j], b[at + j]) : each * r[at + j]));
  });

// W_i @ x + b_i of the member i, W (members, units, inputs) and b (members, units) or null
const memberProduct = (W, b, inputs, units) =>
  step("member product", { W, b, inputs, units }, (x, member) =>
    Reals.from({ length: units }, (_, j) => {
      const row = member * units + j;
      const dot = sumOf(inputs, (i, lane) => fma(x[i], W[row * inputs + i], lane));
      return b ? dot + b[row] : dot;
    }));

// The row that a later step adds, by the place of its layer; a row goes through all steps before the next one does.
const kept = {};
const keep = (place) => step("keep", { place }, (x) => (kept[place] = x));

// x + the row that was kept
const addKept = (place) => step("add kept", { place }, (x) => x.map((each, j) => each + kept[place][j]));

// ---- numbers ----

// Little-endian numbers from base64, and a function that takes the next n of them.
function reader(text) {
  const bytes = Uint8Array.from(atob(text), (each) => each.charCodeAt(0)), view = new DataView(bytes.buffer);
  const size = Reals.BYTES_PER_ELEMENT;
  const at = (i) => (size === 4 ? view.getFloat32(4 * i, true) : view.getFloat64(8 * i, true));
  let next = 0;
  return (n) => Reals.from({ length: n }, () => at(next++));
}

function checked(x, inputs) {
  if (x.length !== inputs) throw new RangeError(`x has ${x.length} numbers, expected ${inputs}`);
  const row = Reals.from(x), wrong = row.findIndex((each) => !Number.isFinite(each));
  if (wrong >= 0) throw new RangeError(`x[${wrong}] is ${x[wrong]}, expected a finite number`);
  return row;
}
