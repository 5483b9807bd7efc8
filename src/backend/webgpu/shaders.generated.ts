// Written by scripts/shaders.mjs from shaders/*.wgsl; do not edit.
export const SHADERS = {
  axis: `// A sparse matrix along one axis: pools' averages, resizes, pads, slices, gathers, sums over windows, and their adjoints.
//
//   y[outer, o, inner] = coefficient · Σ_(e in row o) value[e] · x[outer, index[e], inner]       (fill where row o is empty, in f)
//
// Rows: start[o] .. start[o + 1] − 1. Sums are float32, 16 terms at a time. h, g and j are float32 × 2^exponent: x is brought near 1 as it is
// read, and the largest result goes into the output's slot. An invocation makes one output element after another.
//
// Plain loop: tests/support/maps.ts (axisEntries).

override SCALED: bool = false; // h, g, j; otherwise f

struct Params {
  count: u32,
  inner: u32,
  x_size: u32,
  y_size: u32,
  x_slot: u32,
  y_slot: u32,
  exponent: i32,
  step: u32,
  coefficient: f32,
  fill: f32,
  pad0: u32,
  pad1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> slots: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> start: array<u32>;
@group(0) @binding(4) var<storage, read> indices: array<u32>;
@group(0) @binding(5) var<storage, read> values: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;

var<workgroup> largest: atomic<u32>;

fn pow2(k: i32) -> f32 {
  return bitcast<f32>(u32(clamp(k, -126, 126) + 127) << 23u);
}

// k such that the largest times 2^k lies in [1/2, 1); 0 for an empty tensor.
fn lift(largest_bits: u32) -> i32 {
  let e = i32(largest_bits >> 23u);
  return select(126 - max(e, 1), 0, largest_bits == 0u || e >= 255);
}

@compute @workgroup_size(256)
fn main(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  var scale = 1.0;
  var exponent = 0;
  if (SCALED) {
    let k = lift(atomicLoad(&slots[2u * params.x_slot]));
    scale = pow2(k);
    exponent = bitcast<i32>(atomicLoad(&slots[2u * params.x_slot + 1u])) - k + params.exponent;
  }
  var top = 0.0;
  var finite = true;
  for (var i = id.x; i < params.count; i += workgroups.x * 256u) {
    let at = i % params.inner;
    let o = (i / params.inner) % params.y_size;
    let base = (i / (params.inner * params.y_size)) * params.x_size * params.inner + at;
    let end = start[o + 1u];
    var sum = 0.0;
    for (var e = start[o]; e < end; e += 16u) {
      var part = 0.0;
      for (var k = e; k < min(e + 16u, end); k++) {
        part += values[k] * (scale * x[base + indices[k] * params.inner]);
      }
      sum += part;
    }
    var v = params.coefficient * sum;
    if (!SCALED && end == start[o]) {
      v = params.fill;
    }
    finite = finite && (bitcast<u32>(v) & 0x7f800000u) != 0x7f800000u;
    top = max(top, v);
    y[i] = v;
  }
  if (!SCALED) {
    if (!finite) {
      atomicMax(&slots[0], params.step);
    }
    return;
  }
  atomicMax(&largest, bitcast<u32>(top));
  workgroupBarrier();
  if (index == 0u) {
    atomicMax(&slots[2u * params.y_slot], atomicLoad(&largest));
    atomicStore(&slots[2u * params.y_slot + 1u], bitcast<u32>(exponent));
  }
}
`,
  conv: `// Linear steps as an implicit matrix product, for f, h, g and j and for their data gradients:
//
//   y[n, g·M + m, o] = coefficient · Σ_k w[g, m, k] · x[n, g, i(o, k)]  (+ bias[g·M + m] in f)
//
// N samples, M = rows output channels a group, K = depth = input channels × taps, O = positions output places.
// Entry k of the table says where its weight lies, and how far the input element is from where the output reads:
//   gather:      i = o·stride + delta        (convolutions; data gradients where the stride is 1)
//   FRACTIONAL:  i = (o + delta) / stride, where that is whole        (transposed convolutions; data gradients)
//
// Products and sums are float32: 16 products at a time, which are then added to the whole. h, g and j are float32 × 2^exponent:
// x is brought near 1 as it is read, and the largest result goes into the output's slot.
//
// A workgroup makes a tile of 8·TY rows × 128 columns, a column being one (n, o). It brings 16 entries of K at a time into
// workgroup memory, input and weights, and each of its 32 × TY invocations adds to 8 rows × 4 columns held in registers.
//
// Plain loop: tests/support/maps.ts (linearTerms).

override WEIGHT: u32 = 0u; // 0: θ·mask, 1: mask, 2: (θ·2^shift)²·mask
override FRACTIONAL: bool = false;
override SCALED: bool = false; // h, g, j; otherwise f
override TY: u32 = 8u;

const CHUNK = 16u;
const QUADS = 32u;

struct Params {
  rows: u32,
  depth: u32,
  positions: u32,
  columns: u32, // samples × positions
  groups: u32,
  row_weights: u32, // elements between rows of the weight
  group_weights: u32,
  x_sample: u32, // elements between samples, and between groups
  x_group: u32,
  y_sample: u32,
  y_group: u32,
  y_row: u32,
  x_slot: u32,
  y_slot: u32,
  exponent: i32,
  factor: f32, // of the sum
  theta_scale: f32, // 2^shift
  has_bias: u32,
  step: u32,
  tiles: u32,
  x_size: vec4u, // by spatial axis
  y_size: vec4u,
  stride: vec4u,
  x_stride: vec4u,
  y_stride: vec4u,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> slots: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> theta: array<f32>;
@group(0) @binding(4) var<storage, read> mask: array<u32>;
@group(0) @binding(5) var<storage, read> table: array<vec4i>; // x offset, weight offset, deltas 0 and 1 in 16 bits each, delta 2
@group(0) @binding(6) var<storage, read> bias: array<f32>;
@group(0) @binding(7) var<storage, read_write> y: array<f32>;

var<workgroup> weights: array<vec4f, CHUNK * 2u * TY>; // [k][4 rows]
var<workgroup> inputs: array<vec4f, CHUNK * QUADS>; // [k][4 columns]
var<workgroup> largest: atomic<u32>;

fn pow2(k: i32) -> f32 {
  return bitcast<f32>(u32(clamp(k, -126, 126) + 127) << 23u);
}

// k such that the largest times 2^k lies in [1/2, 1); 0 for an empty tensor.
fn lift(largest_bits: u32) -> i32 {
  let e = i32(largest_bits >> 23u);
  return select(126 - max(e, 1), 0, largest_bits == 0u || e >= 255);
}

fn weight(at: u32) -> f32 {
  if (((mask[at >> 5u] >> (at & 31u)) & 1u) == 0u) {
    return 0.0;
  }
  if (WEIGHT == 1u) {
    return 1.0;
  }
  let t = theta[at];
  if (WEIGHT == 2u) {
    return (t * params.theta_scale) * (t * params.theta_scale);
  }
  return t;
}

struct Column {
  inside: bool,
  sample: u32,
  place: vec3u, // output place by axis
}

fn column(c: u32) -> Column {
  let sample = c / params.positions;
  let o = c % params.positions;
  let last = o % params.y_size.z;
  let middle = (o / params.y_size.z) % params.y_size.y;
  let first = o / (params.y_size.z * params.y_size.y);
  return Column(c < params.columns, sample, vec3u(first, middle, last));
}

// Where a column reads: place, or place·stride; beyond everything for one that does not exist.
fn reads(c: Column) -> vec3u {
  if (!c.inside) {
    return vec3u(0x40000000u);
  }
  if (FRACTIONAL) {
    return c.place;
  }
  return c.place * params.stride.xyz;
}

// Unsigned: what lies in front of the first element is beyond the last.
fn input(place: vec3u, origin: u32, entry: Entry) -> f32 {
  var at = place + entry.delta;
  var index = origin + entry.offset;
  if (FRACTIONAL) {
    let whole = at / params.stride.xyz;
    if (any(whole * params.stride.xyz != at)) {
      return 0.0;
    }
    at = whole;
    let way = at * params.x_stride.xyz;
    index += way.x + way.y + way.z;
  }
  if (any(at >= params.x_size.xyz)) {
    return 0.0;
  }
  return x[index];
}

struct Entry {
  offset: u32,
  delta: vec3u,
}

fn entry_of(k: u32) -> Entry {
  let e = table[k];
  return Entry(u32(e.x), vec3u(vec3i((e.z << 16u) >> 16u, e.z >> 16u, e.w)));
}

fn start(c: Column, group: u32) -> u32 {
  let base = c.sample * params.x_sample + group * params.x_group;
  if (FRACTIONAL) {
    return base;
  }
  let way = c.place * params.stride.xyz * params.x_stride.xyz;
  return base + way.x + way.y + way.z;
}

@compute @workgroup_size(32, TY)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_id) id: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let tile = workgroup.x + workgroup.y * workgroups.x;
  if (tile >= params.tiles) {
    return;
  }
  let row_tiles = (params.rows + 8u * TY - 1u) / (8u * TY);
  let column_tiles = (params.columns + 4u * QUADS - 1u) / (4u * QUADS);
  let first_row = (tile % row_tiles) * 8u * TY;
  let first_column = ((tile / row_tiles) % column_tiles) * 4u * QUADS + 4u * id.x;
  let group = tile / (row_tiles * column_tiles);

  let c0 = column(first_column);
  let c1 = column(first_column + 1u);
  let c2 = column(first_column + 2u);
  let c3 = column(first_column + 3u);
  let origin = vec4u(start(c0, group), start(c1, group), start(c2, group), start(c3, group));
  let r0 = reads(c0);
  let r1 = reads(c1);
  let r2 = reads(c2);
  let r3 = reads(c3);

  var scale = 1.0;
  var exponent = 0;
  if (SCALED) {
    let k = lift(atomicLoad(&slots[2u * params.x_slot]));
    scale = pow2(k);
    exponent = bitcast<i32>(atomicLoad(&slots[2u * params.x_slot + 1u])) - k + params.exponent;
  }

  let weight_k = index % CHUNK;
  let weight_row = first_row + 4u * (index / CHUNK);
  var sum = array<vec4f, 8>();
  for (var chunk = 0u; chunk < params.depth; chunk += CHUNK) {
    var w = vec4f();
    if (chunk + weight_k < params.depth) {
      let at = group * params.group_weights + u32(table[chunk + weight_k].y) + weight_row * params.row_weights;
      for (var r = 0u; r < 4u; r++) {
        if (weight_row + r < params.rows) {
          w[r] = weight(at + r * params.row_weights);
        }
      }
    }
    weights[weight_k * 2u * TY + index / CHUNK] = w;
    for (var k = id.y; k < CHUNK; k += TY) {
      var v = vec4f();
      if (chunk + k < params.depth) {
        let e = entry_of(chunk + k);
        v = scale * vec4f(input(r0, origin.x, e), input(r1, origin.y, e), input(r2, origin.z, e), input(r3, origin.w, e));
      }
      inputs[k * QUADS + id.x] = v;
    }
    workgroupBarrier();
    var part = array<vec4f, 8>();
    for (var k = 0u; k < CHUNK; k++) {
      let v = inputs[k * QUADS + id.x];
      let a = weights[k * 2u * TY + 2u * id.y];
      let b = weights[k * 2u * TY + 2u * id.y + 1u];
      part[0] += a.x * v;
      part[1] += a.y * v;
      part[2] += a.z * v;
      part[3] += a.w * v;
      part[4] += b.x * v;
      part[5] += b.y * v;
      part[6] += b.z * v;
      part[7] += b.w * v;
    }
    for (var r = 0u; r < 8u; r++) {
      sum[r] += part[r];
    }
    workgroupBarrier();
  }

  var top = 0.0;
  var finite = true;
  for (var j = 0u; j < 4u; j++) {
    let c = column(first_column + j);
    if (!c.inside) {
      break;
    }
    let way = c.place * params.y_stride.xyz;
    let base = c.sample * params.y_sample + group * params.y_group + way.x + way.y + way.z;
    for (var r = 0u; r < 8u; r++) {
      let row = first_row + 8u * id.y + r;
      if (row >= params.rows) {
        break;
      }
      var v = params.factor * sum[r][j];
      if (SCALED) {
        top = max(top, v);
      } else {
        if (params.has_bias != 0u) {
          v += bias[group * params.rows + row];
        }
        finite = finite && (bitcast<u32>(v) & 0x7f800000u) != 0x7f800000u;
      }
      y[base + row * params.y_row] = v;
    }
  }
  if (!SCALED) {
    if (!finite) {
      atomicMax(&slots[0], params.step);
    }
    return;
  }
  atomicMax(&largest, bitcast<u32>(top));
  workgroupBarrier();
  if (index == 0u) {
    atomicMax(&slots[2u * params.y_slot], atomicLoad(&largest));
    atomicStore(&slots[2u * params.y_slot + 1u], bitcast<u32>(exponent));
  }
}
`,
  conv_direct: `// Linear steps with few output channels a group (depthwise, above all), for f, h, g and j and for their data gradients:
//
//   y[n, g·M + m, o] = coefficient · Σ_k w[g, m, k] · x[n, g, i(o, k)]  (+ bias[g·M + m] in f)
//
// Letters, table and modes are those of conv.wgsl. Products and sums are float32, 16 at a time.
// An invocation makes one output element after another: tiles of several rows would hold nothing but air.
//
// Plain loop: tests/support/maps.ts (linearTerms).

override WEIGHT: u32 = 0u; // 0: θ·mask, 1: mask, 2: (θ·2^shift)²·mask
override FRACTIONAL: bool = false;
override SCALED: bool = false; // h, g, j; otherwise f

const CHUNK = 16u;

struct Params {
  rows: u32,
  depth: u32,
  positions: u32,
  columns: u32, // samples × positions
  groups: u32,
  row_weights: u32,
  group_weights: u32,
  x_sample: u32,
  x_group: u32,
  y_sample: u32,
  y_group: u32,
  y_row: u32,
  x_slot: u32,
  y_slot: u32,
  exponent: i32,
  factor: f32,
  theta_scale: f32,
  has_bias: u32,
  step: u32,
  tiles: u32, // output elements
  x_size: vec4u,
  y_size: vec4u,
  stride: vec4u,
  x_stride: vec4u,
  y_stride: vec4u,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> slots: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> theta: array<f32>;
@group(0) @binding(4) var<storage, read> mask: array<u32>;
@group(0) @binding(5) var<storage, read> table: array<vec4i>;
@group(0) @binding(6) var<storage, read> bias: array<f32>;
@group(0) @binding(7) var<storage, read_write> y: array<f32>;

var<workgroup> largest: atomic<u32>;

fn pow2(k: i32) -> f32 {
  return bitcast<f32>(u32(clamp(k, -126, 126) + 127) << 23u);
}

// k such that the largest times 2^k lies in [1/2, 1); 0 for an empty tensor.
fn lift(largest_bits: u32) -> i32 {
  let e = i32(largest_bits >> 23u);
  return select(126 - max(e, 1), 0, largest_bits == 0u || e >= 255);
}

fn weight(at: u32) -> f32 {
  if (((mask[at >> 5u] >> (at & 31u)) & 1u) == 0u) {
    return 0.0;
  }
  if (WEIGHT == 1u) {
    return 1.0;
  }
  let t = theta[at];
  if (WEIGHT == 2u) {
    return (t * params.theta_scale) * (t * params.theta_scale);
  }
  return t;
}

// Where entry k reads for the output at place; −1: nowhere.
fn source(place: vec3i, origin: i32, entry: vec4i) -> i32 {
  var at = vec3i((entry.z << 16u) >> 16u, entry.z >> 16u, entry.w);
  let stride = vec3i(params.stride.xyz);
  if (FRACTIONAL) {
    at += place;
    if (any(at < vec3i(0)) || any(at % stride != vec3i(0))) {
      return -1;
    }
    at /= stride;
  } else {
    at += place * stride;
  }
  if (any(at < vec3i(0)) || any(at >= vec3i(params.x_size.xyz))) {
    return -1;
  }
  if (FRACTIONAL) {
    let way = at * vec3i(params.x_stride.xyz);
    return origin + entry.x + way.x + way.y + way.z;
  }
  let way = place * stride * vec3i(params.x_stride.xyz);
  return origin + entry.x + way.x + way.y + way.z;
}

@compute @workgroup_size(64)
fn main(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  var scale = 1.0;
  var exponent = 0;
  if (SCALED) {
    let k = lift(atomicLoad(&slots[2u * params.x_slot]));
    scale = pow2(k);
    exponent = bitcast<i32>(atomicLoad(&slots[2u * params.x_slot + 1u])) - k + params.exponent;
  }
  var top = 0.0;
  var finite = true;
  for (var i = id.x; i < params.tiles; i += workgroups.x * 64u) {
    let o = i % params.positions;
    let channel = (i / params.positions) % (params.groups * params.rows);
    let sample = i / (params.positions * params.groups * params.rows);
    let group = channel / params.rows;
    let row = channel % params.rows;
    let place = vec3u(o / (params.y_size.z * params.y_size.y), (o / params.y_size.z) % params.y_size.y, o % params.y_size.z);
    let origin = i32(sample * params.x_sample + group * params.x_group);
    let first = group * params.group_weights + row * params.row_weights;
    var sum = 0.0;
    for (var chunk = 0u; chunk < params.depth; chunk += CHUNK) {
      var part = 0.0;
      for (var k = chunk; k < min(chunk + CHUNK, params.depth); k++) {
        let entry = table[k];
        let at = source(vec3i(place), origin, entry);
        if (at >= 0) {
          part += weight(first + u32(entry.y)) * (scale * x[at]);
        }
      }
      sum += part;
    }
    var v = params.factor * sum;
    if (SCALED) {
      top = max(top, v);
    } else {
      if (params.has_bias != 0u) {
        v += bias[channel];
      }
      finite = finite && (bitcast<u32>(v) & 0x7f800000u) != 0x7f800000u;
    }
    let way = place * params.y_stride.xyz;
    y[sample * params.y_sample + group * params.y_group + row * params.y_row + way.x + way.y + way.z] = v;
  }
  if (!SCALED) {
    if (!finite) {
      atomicMax(&slots[0], params.step);
    }
    return;
  }
  atomicMax(&largest, bitcast<u32>(top));
  workgroupBarrier();
  if (index == 0u) {
    atomicMax(&slots[2u * params.y_slot], atomicLoad(&largest));
    atomicStore(&slots[2u * params.y_slot + 1u], bitcast<u32>(exponent));
  }
}
`,
  elementwise: `// Elementwise operations of f, over tensors that broadcast, are transposed, or lie in a part of a larger one:
//
//   out = OP(a, b, c)
//
// Everything is float32. The places of a, b, c and out run along up to 8 axes, each with a stride of its own (0: broadcast).
// An invocation makes one element after another.
//
// Plain loop: tests/support/forward.ts (evaluate).

override OP: u32 = 0u;
// 0: alpha·a                 1: alpha·a + beta·b      2: a·b      3: a/b      4: min(a, b)     5: max(a, b)
// 6: a·b + c                 7: (a − b₀)·b₁ + b₂, b in fours              8: (a − b)·c
// 16: sigmoid   17: hard-sigmoid   18: erf   19: softplus   20: exp   21: log   22: sqrt   23: reciprocal   24: neg   25: abs   26: a^alpha

struct Params {
  count: u32,
  rank: u32,
  step: u32,
  a_offset: u32,
  out_offset: u32,
  alpha: f32,
  beta: f32,
  pad: u32,
  dims: array<vec4u, 2>,
  strides: array<vec4u, 8>, // by axis: a, b, c, out
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> slots: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read> a: array<f32>;
@group(0) @binding(3) var<storage, read> b: array<f32>;
@group(0) @binding(4) var<storage, read> c: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

fn place(i: u32) -> vec4u {
  var rest = i;
  var at = vec4u(params.a_offset, 0u, 0u, params.out_offset);
  for (var d = params.rank; d > 1u; d--) {
    let size = params.dims[(d - 1u) / 4u][(d - 1u) % 4u];
    at += (rest % size) * params.strides[d - 1u];
    rest /= size;
  }
  return at + rest * params.strides[0];
}

// All terms are positive: erf(z) = 2/√π · e^(−z²) · Σ 2ⁿ z^(2n+1) / (2n+1)!!, and 1 beyond 4.
fn erf(z: f32) -> f32 {
  let m = min(abs(z), 4.0);
  var term = m;
  var sum = m;
  for (var n = 1u; n < 50u; n++) {
    term *= 2.0 * m * m / f32(2u * n + 1u);
    sum += term;
  }
  return sign(z) * min(1.1283791671 * exp(-m * m) * sum, 1.0);
}

fn power(base: f32, exponent: f32) -> f32 {
  if (exponent == 0.0) {
    return 1.0;
  }
  let whole = floor(exponent) == exponent && abs(exponent) <= 16.0;
  if (whole) {
    var v = 1.0;
    for (var i = 0.0; i < abs(exponent); i += 1.0) {
      v *= base;
    }
    return select(v, 1.0 / v, exponent < 0.0);
  }
  return pow(base, exponent);
}

fn apply(p: f32, at: vec4u) -> f32 {
  switch OP {
    case 0u: { return params.alpha * p; }
    case 1u: { return params.alpha * p + params.beta * b[at.y]; }
    case 2u: { return p * b[at.y]; }
    case 3u: { return p / b[at.y]; }
    case 4u: { return min(p, b[at.y]); }
    case 5u: { return max(p, b[at.y]); }
    case 6u: { return p * b[at.y] + c[at.z]; }
    case 7u: { return (p - b[4u * at.y]) * b[4u * at.y + 1u] + b[4u * at.y + 2u]; }
    case 8u: { return (p - b[at.y]) * c[at.z]; }
    case 16u: { return select(exp(p) / (1.0 + exp(p)), 1.0 / (1.0 + exp(-p)), p >= 0.0); }
    case 17u: { return min(max(params.alpha * p + params.beta, 0.0), 1.0); }
    case 18u: { return erf(p); }
    case 19u: {
      let e = exp(-abs(p));
      // log(1 + e) keeps its digits where e is small.
      return max(p, 0.0) + select(log(1.0 + e), e - 0.5 * e * e, e < 1e-3);
    }
    case 20u: { return exp(p); }
    case 21u: { return log(p); }
    case 22u: { return sqrt(p); }
    case 23u: { return 1.0 / p; }
    case 24u: { return -p; }
    case 25u: { return abs(p); }
    case 26u: { return power(p, params.alpha); }
    default: { return p; }
  }
}

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  var finite = true;
  for (var i = id.x; i < params.count; i += workgroups.x * 256u) {
    let at = place(i);
    let v = apply(a[at.x], at);
    finite = finite && (bitcast<u32>(v) & 0x7f800000u) != 0x7f800000u;
    out[at.w] = v;
  }
  if (!finite) {
    atomicMax(&slots[0], params.step);
  }
}
`,
  fold: `// Adds up the parts of a weight gradient, and gives the sum its exponent:
//
//   out[j] · 2^E = coefficient · Σ_s part[s, j],     E = that of the upstream, of the input, and of θ² together
//
// Float32. The largest result goes into the output's slot. An invocation makes one weight after another.
//
// Plain loop: tests/support/reference.ts (backpropagate).

struct Params {
  count: u32,
  parts: u32,
  d_slot: u32,
  x_slot: u32,
  out_slot: u32,
  exponent: i32,
  factor: f32,
  pad: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> slots: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read> parts: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

var<workgroup> largest: atomic<u32>;

// k such that the largest times 2^k lies in [1/2, 1); 0 for an empty tensor.
fn lift(largest_bits: u32) -> i32 {
  let e = i32(largest_bits >> 23u);
  return select(126 - max(e, 1), 0, largest_bits == 0u || e >= 255);
}

@compute @workgroup_size(256)
fn main(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let d_exponent = bitcast<i32>(atomicLoad(&slots[2u * params.d_slot + 1u])) - lift(atomicLoad(&slots[2u * params.d_slot]));
  let x_exponent = bitcast<i32>(atomicLoad(&slots[2u * params.x_slot + 1u])) - lift(atomicLoad(&slots[2u * params.x_slot]));
  var top = 0.0;
  for (var i = id.x; i < params.count; i += workgroups.x * 256u) {
    var sum = 0.0;
    for (var s = 0u; s < params.parts; s++) {
      sum += parts[s * params.count + i];
    }
    sum *= params.factor;
    top = max(top, sum);
    out[i] = sum;
  }
  atomicMax(&largest, bitcast<u32>(top));
  workgroupBarrier();
  if (index == 0u) {
    atomicMax(&slots[2u * params.out_slot], atomicLoad(&largest));
    atomicStore(&slots[2u * params.out_slot + 1u], bitcast<u32>(d_exponent + x_exponent + params.exponent));
  }
}
`,
  gate: `// ReLU, LeakyReLU and PReLU, f and h (or j) in one:
//
//   y = z > 0 ? z : slope·z         c_out = c · (z > 0 ? 1 : slope²), 0 at z = 0         bits: z > 0
//
// E elements a sample; slope s holds for elements e with (e / segment) mod period = s. f is float32; h and j are float32 × 2^exponent:
// c is brought near 1 as it is read, and the largest result goes into the output's slot. Gates leave one bit an element.
// An invocation makes one element after another, its workgroup gathers 256 bits at a time.
//
// At z = 0 the gate is 0 whatever the slope. Where a bit says z ≤ 0 and the slope is not 0, the way back takes slope² for z = 0
// too: c is 0 there or reaches it through elements that are not, and no score in float32 can tell.
//
// Plain loop: tests/support/functions.ts (activate), tests/support/reference.ts (entriesOf).

override COMPANION: bool = false;
override RECORD: bool = false;

struct Params {
  count: u32,
  step: u32,
  segment: u32,
  period: u32,
  c_slot: u32,
  out_slot: u32,
  elements: u32, // of one sample
  pad: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> slots: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read> z: array<f32>;
@group(0) @binding(3) var<storage, read> c: array<f32>;
@group(0) @binding(4) var<storage, read> slopes: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
@group(0) @binding(6) var<storage, read_write> c_out: array<f32>;
@group(0) @binding(7) var<storage, read_write> bits: array<u32>;

var<workgroup> largest: atomic<u32>;
var<workgroup> words: array<atomic<u32>, 8>;

fn pow2(k: i32) -> f32 {
  return bitcast<f32>(u32(clamp(k, -126, 126) + 127) << 23u);
}

// k such that the largest times 2^k lies in [1/2, 1); 0 for an empty tensor.
fn lift(largest_bits: u32) -> i32 {
  let e = i32(largest_bits >> 23u);
  return select(126 - max(e, 1), 0, largest_bits == 0u || e >= 255);
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  var scale = 1.0;
  var exponent = 0;
  if (COMPANION) {
    let k = lift(atomicLoad(&slots[2u * params.c_slot]));
    scale = pow2(k);
    exponent = bitcast<i32>(atomicLoad(&slots[2u * params.c_slot + 1u])) - k;
  }
  var top = 0.0;
  var finite = true;
  for (var base = workgroup.x * 256u; base < params.count; base += workgroups.x * 256u) {
    let i = base + index;
    if (i < params.count) {
      let v = z[i];
      finite = finite && (bitcast<u32>(v) & 0x7f800000u) != 0x7f800000u;
      let slope = slopes[((i % params.elements) / params.segment) % params.period];
      y[i] = select(slope * v, v, v > 0.0);
      if (COMPANION) {
        let g = select(select(slope * slope, 0.0, v == 0.0), 1.0, v > 0.0) * (scale * c[i]);
        top = max(top, g);
        c_out[i] = g;
      }
      if (RECORD && v > 0.0) {
        atomicOr(&words[index >> 5u], 1u << (index & 31u));
      }
    }
    if (RECORD) {
      workgroupBarrier();
      if (index < 8u) {
        let word = base / 32u + index;
        if (32u * word < params.count) {
          bits[word] = atomicLoad(&words[index]);
        }
        atomicStore(&words[index], 0u);
      }
      workgroupBarrier();
    }
  }
  if (!finite) {
    atomicMax(&slots[0], params.step);
  }
  if (!COMPANION) {
    return;
  }
  atomicMax(&largest, bitcast<u32>(top));
  workgroupBarrier();
  if (index == 0u) {
    atomicMax(&slots[2u * params.out_slot], atomicLoad(&largest));
    atomicStore(&slots[2u * params.out_slot + 1u], bitcast<u32>(exponent));
  }
}
`,
  grad: `// The weight gradient of linear steps in g and j, as an implicit matrix product:
//
//   part[s, w(g, m, k)] = Σ_(p in part s) d[g, m, p] · x[g, i(p, k)]         p = (n, o): places of all samples
//
// M = rows channels of the tensor that is read straight, K = depth = channels × taps of the one that is gathered: i = o·stride + delta.
// (A transposed convolution exchanges the two: what is gathered is the upstream.) Entry k of the table says where its weight lies, and
// how far the gathered element is from where p reads. Parts are added up by fold.wgsl.
//
// Products and sums are float32, 16 at a time; both factors are brought near 1 as they are read. A workgroup makes a tile of 8·TY rows ×
// 128 columns of one part. It brings 16 places at a time into workgroup memory, and each of its 32 × TY invocations adds to 8 rows × 4 columns.
//
// Plain loop: tests/support/reference.ts (backpropagate).

override TY: u32 = 8u;

const CHUNK = 16u;
const QUADS = 32u;

struct Params {
  rows: u32,
  depth: u32,
  positions: u32,
  places: u32, // samples × positions
  part: u32, // places in a part, a multiple of 16
  size: u32, // weights in the parameter
  row_weights: u32,
  group_weights: u32,
  d_sample: u32,
  d_group: u32,
  d_row: u32,
  x_sample: u32,
  x_group: u32,
  d_slot: u32,
  x_slot: u32,
  tiles: u32,
  x_size: vec4u, // by spatial axis: the gathered tensor's
  d_size: vec4u,
  stride: vec4u,
  x_stride: vec4u,
  d_stride: vec4u,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> slots: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read> d: array<f32>;
@group(0) @binding(3) var<storage, read> x: array<f32>;
@group(0) @binding(4) var<storage, read> table: array<vec4i>;
@group(0) @binding(5) var<storage, read_write> parts: array<f32>;

struct Place {
  d: i32, // −1: beyond the last
  x: i32,
  at: vec3i, // o·stride
}

var<workgroup> places: array<Place, CHUNK>;
var<workgroup> rows: array<vec4f, CHUNK * 2u * TY>; // [p][4 rows]
var<workgroup> columns: array<vec4f, CHUNK * QUADS>; // [p][4 columns]

fn pow2(k: i32) -> f32 {
  return bitcast<f32>(u32(clamp(k, -126, 126) + 127) << 23u);
}

// k such that the largest times 2^k lies in [1/2, 1); 0 for an empty tensor.
fn lift(largest_bits: u32) -> i32 {
  let e = i32(largest_bits >> 23u);
  return select(126 - max(e, 1), 0, largest_bits == 0u || e >= 255);
}

fn place(p: u32, end: u32, group: u32) -> Place {
  if (p >= end) {
    return Place(-1, 0, vec3i());
  }
  let sample = p / params.positions;
  let o = p % params.positions;
  let at = vec3u(o / (params.d_size.z * params.d_size.y), (o / params.d_size.z) % params.d_size.y, o % params.d_size.z);
  let dw = at * params.d_stride.xyz;
  let xa = at * params.stride.xyz;
  let xw = xa * params.x_stride.xyz;
  return Place(
    i32(sample * params.d_sample + group * params.d_group + dw.x + dw.y + dw.z),
    i32(sample * params.x_sample + group * params.x_group + xw.x + xw.y + xw.z),
    vec3i(xa),
  );
}

fn gathered(origin: Place, entry: vec4i, inside: bool) -> f32 {
  let at = origin.at + vec3i((entry.z << 16u) >> 16u, entry.z >> 16u, entry.w);
  if (!inside || origin.d < 0 || any(at < vec3i(0)) || any(at >= vec3i(params.x_size.xyz))) {
    return 0.0;
  }
  return x[origin.x + entry.x];
}

@compute @workgroup_size(32, TY)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_id) id: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let tile = workgroup.x + workgroup.y * workgroups.x;
  if (tile >= params.tiles) {
    return;
  }
  let row_tiles = (params.rows + 8u * TY - 1u) / (8u * TY);
  let column_tiles = (params.depth + 4u * QUADS - 1u) / (4u * QUADS);
  let parts_count = (params.places + params.part - 1u) / params.part;
  let first_row = (tile % row_tiles) * 8u * TY;
  let first_column = ((tile / row_tiles) % column_tiles) * 4u * QUADS + 4u * id.x;
  let part = (tile / (row_tiles * column_tiles)) % parts_count;
  let group = tile / (row_tiles * column_tiles * parts_count);
  let end = min(params.places, (part + 1u) * params.part);

  var entry = array<vec4i, 4>();
  for (var j = 0u; j < 4u; j++) {
    if (first_column + j < params.depth) {
      entry[j] = table[first_column + j];
    }
  }
  let inside = vec4<bool>(
    first_column < params.depth,
    first_column + 1u < params.depth,
    first_column + 2u < params.depth,
    first_column + 3u < params.depth,
  );
  let d_scale = pow2(lift(atomicLoad(&slots[2u * params.d_slot])));
  let x_scale = pow2(lift(atomicLoad(&slots[2u * params.x_slot])));
  let load_p = index % CHUNK;
  let load_row = first_row + 4u * (index / CHUNK);

  var sum = array<vec4f, 8>();
  for (var chunk = part * params.part; chunk < end; chunk += CHUNK) {
    if (index < CHUNK) {
      places[index] = place(chunk + index, end, group);
    }
    workgroupBarrier();
    var v = vec4f();
    let origin = places[load_p].d;
    if (origin >= 0) {
      for (var r = 0u; r < 4u; r++) {
        if (load_row + r < params.rows) {
          v[r] = d_scale * d[u32(origin) + (load_row + r) * params.d_row];
        }
      }
    }
    rows[load_p * 2u * TY + index / CHUNK] = v;
    for (var p = id.y; p < CHUNK; p += TY) {
      let at = places[p];
      columns[p * QUADS + id.x] = x_scale * vec4f(
        gathered(at, entry[0], inside.x),
        gathered(at, entry[1], inside.y),
        gathered(at, entry[2], inside.z),
        gathered(at, entry[3], inside.w),
      );
    }
    workgroupBarrier();
    var some = array<vec4f, 8>();
    for (var p = 0u; p < CHUNK; p++) {
      let w = columns[p * QUADS + id.x];
      let a = rows[p * 2u * TY + 2u * id.y];
      let b = rows[p * 2u * TY + 2u * id.y + 1u];
      some[0] += a.x * w;
      some[1] += a.y * w;
      some[2] += a.z * w;
      some[3] += a.w * w;
      some[4] += b.x * w;
      some[5] += b.y * w;
      some[6] += b.z * w;
      some[7] += b.w * w;
    }
    for (var r = 0u; r < 8u; r++) {
      sum[r] += some[r];
    }
    workgroupBarrier();
  }

  for (var j = 0u; j < 4u; j++) {
    if (first_column + j >= params.depth) {
      break;
    }
    let base = part * params.size + group * params.group_weights + u32(entry[j].y);
    for (var r = 0u; r < 8u; r++) {
      let row = first_row + 8u * id.y + r;
      if (row >= params.rows) {
        break;
      }
      parts[base + row * params.row_weights] = sum[r][j];
    }
  }
}
`,
  grad_direct: `// The weight gradient of linear steps in g and j where a group has few weights (depthwise, above all):
//
//   part[0, w(g, m, k)] = Σ_p d[g, m, p] · x[g, i(p, k)]         p = (n, o): places of all samples
//
// Letters and table are those of grad.wgsl. Products and sums are float32, 16 at a time. A workgroup makes one weight after another; its 64
// invocations take runs of 16 places in turn and add up in a tree.
//
// Plain loop: tests/support/reference.ts (backpropagate).

struct Params {
  rows: u32,
  depth: u32,
  positions: u32,
  places: u32,
  part: u32,
  size: u32,
  row_weights: u32,
  group_weights: u32,
  d_sample: u32,
  d_group: u32,
  d_row: u32,
  x_sample: u32,
  x_group: u32,
  d_slot: u32,
  x_slot: u32,
  tiles: u32, // weights
  x_size: vec4u,
  d_size: vec4u,
  stride: vec4u,
  x_stride: vec4u,
  d_stride: vec4u,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> slots: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read> d: array<f32>;
@group(0) @binding(3) var<storage, read> x: array<f32>;
@group(0) @binding(4) var<storage, read> table: array<vec4i>;
@group(0) @binding(5) var<storage, read_write> parts: array<f32>;

var<workgroup> sums: array<f32, 64>;

fn pow2(k: i32) -> f32 {
  return bitcast<f32>(u32(clamp(k, -126, 126) + 127) << 23u);
}

// k such that the largest times 2^k lies in [1/2, 1); 0 for an empty tensor.
fn lift(largest_bits: u32) -> i32 {
  let e = i32(largest_bits >> 23u);
  return select(126 - max(e, 1), 0, largest_bits == 0u || e >= 255);
}

fn term(p: u32, group: u32, row: u32, entry: vec4i) -> vec2f {
  let sample = p / params.positions;
  let o = p % params.positions;
  let place = vec3u(o / (params.d_size.z * params.d_size.y), (o / params.d_size.z) % params.d_size.y, o % params.d_size.z);
  let first = vec3i(place * params.stride.xyz);
  let at = first + vec3i((entry.z << 16u) >> 16u, entry.z >> 16u, entry.w);
  if (any(at < vec3i(0)) || any(at >= vec3i(params.x_size.xyz))) {
    return vec2f();
  }
  let dw = place * params.d_stride.xyz;
  let xw = first * vec3i(params.x_stride.xyz);
  let origin = i32(sample * params.x_sample + group * params.x_group) + xw.x + xw.y + xw.z;
  return vec2f(
    d[sample * params.d_sample + group * params.d_group + row * params.d_row + dw.x + dw.y + dw.z],
    x[origin + entry.x],
  );
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let d_scale = pow2(lift(atomicLoad(&slots[2u * params.d_slot])));
  let x_scale = pow2(lift(atomicLoad(&slots[2u * params.x_slot])));
  for (var w = workgroup.x; w < params.tiles; w += workgroups.x) {
    let k = w % params.depth;
    let row = (w / params.depth) % params.rows;
    let group = w / (params.depth * params.rows);
    let entry = table[k];
    var sum = 0.0;
    for (var first = 16u * index; first < params.places; first += 16u * 64u) {
      var part = 0.0;
      for (var p = first; p < min(first + 16u, params.places); p++) {
        let t = term(p, group, row, entry);
        part += (d_scale * t.x) * (x_scale * t.y);
      }
      sum += part;
    }
    sums[index] = sum;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
      if (index < half) {
        sums[index] += sums[index + half];
      }
      workgroupBarrier();
    }
    if (index == 0u) {
      parts[group * params.group_weights + row * params.row_weights + u32(entry.y)] = sums[0];
    }
    workgroupBarrier();
  }
}
`,
  largest: `// The largest |x| (RECIPROCAL: the largest |1/x|) into a slot, exponent 0: before x is squared.
//
// An invocation looks at one element after another; the largest of a workgroup goes on.
//
// Plain loop: tests/support/reference.ts (entriesOf).

override RECIPROCAL: bool = false;

struct Params {
  count: u32,
  slot: u32,
  pad0: u32,
  pad1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> slots: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read> x: array<f32>;

var<workgroup> largest: atomic<u32>;

@compute @workgroup_size(256)
fn main(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  var top = 0.0;
  for (var i = id.x; i < params.count; i += workgroups.x * 256u) {
    var v = x[i];
    if (RECIPROCAL) {
      v = 1.0 / v;
    }
    top = max(top, abs(v));
  }
  atomicMax(&largest, bitcast<u32>(top));
  workgroupBarrier();
  if (index == 0u) {
    atomicMax(&slots[2u * params.slot], atomicLoad(&largest));
  }
}
`,
  max: `// Maxima over windows, f and h (or j) in one. A window is the product of one index set per axis:
//
//   y[n, o] = max over i in window(o) of x[n, i]         c_out[n, o] = c[n, chosen]         choices[n, o] = chosen
//
// The first in row-major order wins a tie, padding is in no window. An empty window gives 0 and chooses nothing (0xffffffff).
// At most 4 axes, those that no window spans run together; each axis has its rows in map: start[0 .. size], then the indices.
// f is float32; h and j are float32 × 2^exponent: c is brought near 1 as it is read, and the largest result goes into the output's slot.
// An invocation makes one output element after another.
//
// Plain loop: tests/support/forward.ts (evaluate).

override COMPANION: bool = false;
override RECORD: bool = false;

struct Params {
  count: u32,
  step: u32,
  c_slot: u32,
  out_slot: u32,
  x_sample: u32, // elements of a sample
  y_sample: u32,
  pad0: u32,
  pad1: u32,
  y_size: vec4u, // by axis
  x_stride: vec4u,
  starts: vec4u, // where an axis' rows begin in map
  indices: vec4u, // where its indices begin
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> slots: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> c: array<f32>;
@group(0) @binding(4) var<storage, read> map: array<u32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
@group(0) @binding(6) var<storage, read_write> c_out: array<f32>;
@group(0) @binding(7) var<storage, read_write> choices: array<u32>;

var<workgroup> largest: atomic<u32>;

fn pow2(k: i32) -> f32 {
  return bitcast<f32>(u32(clamp(k, -126, 126) + 127) << 23u);
}

// k such that the largest times 2^k lies in [1/2, 1); 0 for an empty tensor.
fn lift(largest_bits: u32) -> i32 {
  let e = i32(largest_bits >> 23u);
  return select(126 - max(e, 1), 0, largest_bits == 0u || e >= 255);
}

@compute @workgroup_size(256)
fn main(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  var scale = 1.0;
  var exponent = 0;
  if (COMPANION) {
    let k = lift(atomicLoad(&slots[2u * params.c_slot]));
    scale = pow2(k);
    exponent = bitcast<i32>(atomicLoad(&slots[2u * params.c_slot + 1u])) - k;
  }
  var top = 0.0;
  for (var i = id.x; i < params.count; i += workgroups.x * 256u) {
    let sample = i / params.y_sample;
    let base = sample * params.x_sample;
    var rest = i % params.y_sample;
    var place = vec4u();
    place.w = rest % params.y_size.w;
    rest /= params.y_size.w;
    place.z = rest % params.y_size.z;
    rest /= params.y_size.z;
    place.y = rest % params.y_size.y;
    place.x = rest / params.y_size.y;
    let row = params.starts + place;
    let first = vec4u(map[row.x], map[row.y], map[row.z], map[row.w]) + params.indices;
    let end = vec4u(map[row.x + 1u], map[row.y + 1u], map[row.z + 1u], map[row.w + 1u]) + params.indices;
    var best = 0.0;
    var chosen = 0xffffffffu;
    for (var p = first.x; p < end.x; p++) {
      for (var q = first.y; q < end.y; q++) {
        for (var r = first.z; r < end.z; r++) {
          for (var s = first.w; s < end.w; s++) {
            let way = vec4u(map[p], map[q], map[r], map[s]) * params.x_stride;
            let at = way.x + way.y + way.z + way.w;
            let v = x[base + at];
            if (chosen == 0xffffffffu || v > best) {
              best = v;
              chosen = at;
            }
          }
        }
      }
    }
    y[i] = best;
    if (COMPANION) {
      var g = 0.0;
      if (chosen != 0xffffffffu) {
        g = scale * c[base + chosen];
      }
      top = max(top, g);
      c_out[i] = g;
    }
    if (RECORD) {
      choices[i] = chosen;
    }
  }
  if (!COMPANION) {
    return;
  }
  atomicMax(&largest, bitcast<u32>(top));
  workgroupBarrier();
  if (index == 0u) {
    atomicMax(&slots[2u * params.out_slot], atomicLoad(&largest));
    atomicStore(&slots[2u * params.out_slot + 1u], bitcast<u32>(exponent));
  }
}
`,
  max_adjoint: `// The way back of a maximum over windows in j: what every window sends to the element it chose, gathered.
//
//   x[n, i] = Σ_(o whose window holds i) d[n, o] · [choices[n, o] = i]
//
// Axes as in max.wgsl, map being the transposed one: per input index, the outputs whose windows hold it. Sums are float32; d is brought near
// 1 as it is read, and the largest result goes into the slot of x. An invocation makes one input element after another.
//
// Plain loop: tests/support/reference.ts (entriesOf, backpropagate).

struct Params {
  count: u32,
  d_slot: u32,
  out_slot: u32,
  x_sample: u32,
  y_sample: u32,
  pad0: u32,
  pad1: u32,
  pad2: u32,
  x_size: vec4u, // by axis
  y_stride: vec4u,
  starts: vec4u,
  indices: vec4u,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> slots: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read> d: array<f32>;
@group(0) @binding(3) var<storage, read> choices: array<u32>;
@group(0) @binding(4) var<storage, read> map: array<u32>;
@group(0) @binding(5) var<storage, read_write> x: array<f32>;

var<workgroup> largest: atomic<u32>;

fn pow2(k: i32) -> f32 {
  return bitcast<f32>(u32(clamp(k, -126, 126) + 127) << 23u);
}

// k such that the largest times 2^k lies in [1/2, 1); 0 for an empty tensor.
fn lift(largest_bits: u32) -> i32 {
  let e = i32(largest_bits >> 23u);
  return select(126 - max(e, 1), 0, largest_bits == 0u || e >= 255);
}

@compute @workgroup_size(256)
fn main(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let k = lift(atomicLoad(&slots[2u * params.d_slot]));
  let scale = pow2(k);
  let exponent = bitcast<i32>(atomicLoad(&slots[2u * params.d_slot + 1u])) - k;
  var top = 0.0;
  for (var i = id.x; i < params.count; i += workgroups.x * 256u) {
    let element = i % params.x_sample;
    let base = (i / params.x_sample) * params.y_sample;
    var rest = element;
    var place = vec4u();
    place.w = rest % params.x_size.w;
    rest /= params.x_size.w;
    place.z = rest % params.x_size.z;
    rest /= params.x_size.z;
    place.y = rest % params.x_size.y;
    place.x = rest / params.x_size.y;
    let row = params.starts + place;
    let first = vec4u(map[row.x], map[row.y], map[row.z], map[row.w]) + params.indices;
    let end = vec4u(map[row.x + 1u], map[row.y + 1u], map[row.z + 1u], map[row.w + 1u]) + params.indices;
    var sum = 0.0;
    for (var p = first.x; p < end.x; p++) {
      for (var q = first.y; q < end.y; q++) {
        for (var r = first.z; r < end.z; r++) {
          for (var s = first.w; s < end.w; s++) {
            let way = vec4u(map[p], map[q], map[r], map[s]) * params.y_stride;
            let o = base + way.x + way.y + way.z + way.w;
            if (choices[o] == element) {
              sum += scale * d[o];
            }
          }
        }
      }
    }
    top = max(top, sum);
    x[i] = sum;
  }
  atomicMax(&largest, bitcast<u32>(top));
  workgroupBarrier();
  if (index == 0u) {
    atomicMax(&slots[2u * params.out_slot], atomicLoad(&largest));
    atomicStore(&slots[2u * params.out_slot + 1u], bitcast<u32>(exponent));
  }
}
`,
  moments: `// Mean and biased variance of sets of numbers: a channel over a micro-batch, or a part of one sample.
//
//   set s: x[s·inner + j·stride + i], j < outer, i < inner         mean = Σ x / n,  variance = Σ (x − mean)² / n
//
// A gate whose input rounds across zero changes h and j by whole amounts, so this is done with care: in float32, in one reading, but means are
// taken from a pivot, the set's first number, and mean and squares carry the rounding of their sums along (hi + lo). 16 numbers at a
// time give a mean and a sum of squares around it, which are merged (Chan et al.) with those before, then over the invocations of a
// workgroup, then (PART false) over the workgroups of a set. Nothing large is ever subtracted.
//
// PART true: workgroup (s, p) takes part p of set s and leaves (n, mean hi, lo, squares hi, lo). PART false: an invocation merges the parts of a
// set and leaves mean − pivot, variance and pivot, all sets' firsts, seconds and thirds one after another.
//
// Plain loop: tests/support/forward.ts (normalise).

override PART: bool = true;

struct Params {
  sets: u32,
  parts: u32,
  inner: u32,
  outer: u32,
  stride: u32,
  pad0: u32,
  pad1: u32,
  pad2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> slots: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> parts: array<f32>; // PART false
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

struct Moments {
  n: f32,
  mean: vec2f, // less the pivot; hi + lo
  squares: vec2f, // Σ (x − mean)²
}

var<workgroup> all: array<Moments, 64>;

// a + b as a sum and its rounding.
fn two_sum(a: f32, b: f32) -> vec2f {
  let s = a + b;
  let t = s - a;
  return vec2f(s, (a - (s - t)) + (b - t));
}

fn merge(a: Moments, b: Moments) -> Moments {
  if (b.n == 0.0) {
    return a;
  }
  let n = a.n + b.n;
  let share = b.n / n;
  let d = (b.mean.x - a.mean.x) + (b.mean.y - a.mean.y);
  let mean = two_sum(a.mean.x, d * share);
  let both = two_sum(a.squares.x, b.squares.x);
  let all_squares = two_sum(both.x, d * d * (a.n * share));
  return Moments(
    n,
    vec2f(mean.x, a.mean.y + mean.y),
    vec2f(all_squares.x, a.squares.y + b.squares.y + both.y + all_squares.y),
  );
}

fn run(first: u32, count: u32, base: u32) -> Moments {
  let pivot = x[base];
  let around = x[at(base, first)];
  var sum = 0.0;
  var squares = 0.0;
  for (var i = first; i < first + count; i++) {
    let v = x[at(base, i)] - around;
    sum += v;
    squares += v * v;
  }
  let n = f32(count);
  let mean = two_sum(around - pivot, sum / n);
  return Moments(n, mean, vec2f(max(squares - sum * (sum / n), 0.0), 0.0));
}

fn at(base: u32, i: u32) -> u32 {
  return base + (i / params.inner) * params.stride + i % params.inner;
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  if (!PART) {
    for (var s = workgroup.x * 64u + index; s < params.sets; s += workgroups.x * 64u) {
      var m = Moments();
      for (var p = 0u; p < params.parts; p++) {
        let k = 5u * (s * params.parts + p);
        m = merge(m, Moments(parts[k], vec2f(parts[k + 1u], parts[k + 2u]), vec2f(parts[k + 3u], parts[k + 4u])));
      }
      out[s] = m.mean.x + m.mean.y;
      out[params.sets + s] = (m.squares.x + m.squares.y) / m.n;
      out[2u * params.sets + s] = x[s * params.inner];
    }
    return;
  }
  let members = params.inner * params.outer;
  for (var task = workgroup.x; task < params.sets * params.parts; task += workgroups.x) {
    let s = task / params.parts;
    let p = task % params.parts;
    var m = Moments();
    // Runs of 16, dealt out to parts and invocations in turn.
    for (var first = 16u * (p * 64u + index); first < members; first += 16u * 64u * params.parts) {
      m = merge(m, run(first, min(16u, members - first), s * params.inner));
    }
    all[index] = m;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
      if (index < half) {
        all[index] = merge(all[index], all[index + half]);
      }
      workgroupBarrier();
    }
    if (index == 0u) {
      let m = all[0];
      let k = 5u * task;
      out[k] = m.n;
      out[k + 1u] = m.mean.x;
      out[k + 2u] = m.mean.y;
      out[k + 3u] = m.squares.x;
      out[k + 4u] = m.squares.y;
    }
    workgroupBarrier();
  }
}
`,
  norm: `// What a normalisation does with its statistics, one number per channel or group. OP:
//
//   0  BatchNorm, f: y = (x − center)·s + shift, s = γ/√(σ² + ε), in fours (center, s, shift, 0). The center is where the result is 0, with
//      the rounding of that place in the shift: there x − center is exact, so that no rounding of this step flips the gate behind.
//   1  BatchNorm, g and j: s by itself, its largest in the slot; the factor is s².
//   2  sums over micro-batches: total[c] += n·value[c], and n itself behind them.
//   3  LayerNorm, GroupNorm: per sample and group (mean, √a², 0, 0) in fours and a² = 1/(σ² + ε).
//   4  what sums over micro-batches are the mean of: total[c] / n.
//   5  means themselves: mean − pivot + pivot.
//
// γ, β, statistics: [mean − pivot | variance | pivot], C of each. OP 1 in g: [sums of variances | n]. Float32. An invocation makes one channel or group
// after another.
//
// Plain loop: tests/support/forward.ts (normalise).

override OP: u32 = 0u;

struct Params {
  count: u32,
  samples: u32,
  slot: u32,
  pooled: u32, // OP 1: statistics are sums over micro-batches
  epsilon: f32,
  pad0: u32,
  pad1: u32,
  pad2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> slots: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read> statistics: array<f32>;
@group(0) @binding(3) var<storage, read> gamma: array<f32>;
@group(0) @binding(4) var<storage, read> beta: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
@group(0) @binding(6) var<storage, read_write> squares: array<f32>; // OP 3

// a + b as a sum and its rounding.
fn two_sum(a: f32, b: f32) -> vec2f {
  let s = a + b;
  let t = s - a;
  return vec2f(s, (a - (s - t)) + (b - t));
}

fn halves(a: f32) -> vec2f {
  let t = 4097.0 * a;
  let high = t - (t - a);
  return vec2f(high, a - high);
}

// a·b as a product and its rounding.
fn two_product(a: f32, b: f32) -> vec2f {
  let p = a * b;
  let x = halves(a);
  let y = halves(b);
  return vec2f(p, ((x.x * y.x - p) + x.x * y.y + x.y * y.x) + x.y * y.y);
}

// b·√v / g to twice float32's digits: how far the result's zero lies below the mean.
fn distance(b: f32, v: f32, g: f32) -> vec2f {
  let root = sqrt(v);
  let square = two_product(root, root);
  let root_rest = ((v - square.x) - square.y) / (2.0 * root);
  let ratio = b / g;
  let back = two_product(ratio, g);
  let ratio_rest = ((b - back.x) - back.y) / g;
  let all = two_product(ratio, root);
  return vec2f(all.x, all.y + ratio * root_rest + ratio_rest * root);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let n = params.count;
  for (var c = id.x; c < n; c += workgroups.x * 64u) {
    switch OP {
      case 0u: {
        let mean = statistics[c];
        let pivot = statistics[2u * n + c];
        let variance = statistics[n + c] + params.epsilon;
        let s = gamma[c] / sqrt(variance);
        let way = distance(beta[c], variance, gamma[c]);
        let below = two_sum(mean, -way.x); // the zero, less the pivot
        let zero = two_sum(pivot, below.x);
        let near = gamma[c] != 0.0 && abs(zero.x) < 1e30;
        out[4u * c] = select(pivot + mean, zero.x, near);
        out[4u * c + 1u] = s;
        out[4u * c + 2u] = select(beta[c], -s * (zero.y + below.y - way.y), near);
        out[4u * c + 3u] = 0.0;
      }
      case 1u: {
        var variance = 0.0;
        if (params.pooled != 0u) {
          variance = statistics[c] / statistics[n];
        } else {
          variance = statistics[n + c];
        }
        let s = abs(gamma[c]) / sqrt(variance + params.epsilon);
        out[c] = s;
        atomicMax(&slots[2u * params.slot], bitcast<u32>(s));
      }
      case 2u: {
        out[c] += f32(params.samples) * statistics[c];
        if (c == 0u) {
          out[n] += f32(params.samples);
        }
      }
      case 3u: {
        let a2 = 1.0 / (statistics[n + c] + params.epsilon);
        let mean = two_sum(statistics[2u * n + c], statistics[c]);
        out[4u * c] = mean.x;
        out[4u * c + 1u] = sqrt(a2);
        out[4u * c + 2u] = -mean.y * sqrt(a2);
        out[4u * c + 3u] = 0.0;
        squares[c] = a2;
      }
      case 4u: { out[c] = statistics[c] / statistics[n]; }
      default: { out[c] = statistics[c] + statistics[2u * n + c]; }
    }
  }
}
`,
  scale: `// One tensor of h, g or j times a factor, over tensors that broadcast, are transposed, or lie in a part of a larger one:
//
//   out · 2^E = a · 2^e · factor(b),     e, E: the exponents of a and out
//
// Tensors are float32 × 2^exponent. a is brought near 1 as it is read; the largest result goes into the output's slot.
// The places of a, b and out run along up to 8 axes, each with a stride of its own (0: broadcast).
// An invocation makes one element after another.
//
// Plain loop: tests/support/reference.ts (entriesOf).

override OP: u32 = 0u;
// 0: 1               1: b                 2: b², b brought near 1 by its slot     3: 1/b², likewise
// 4: bits of b: 1 where set, slope² elsewhere                 5: b² alone, without a              6: alpha, without a
// 7: 1, aligned with the parts whose slots b lists            8: b / c, c being one number in c behind b

struct Params {
  count: u32,
  rank: u32,
  a_offset: u32,
  out_offset: u32,
  a_slot: u32,
  b_slot: u32,
  out_slot: u32,
  exponent: i32,
  alpha: f32, // a factor of all; OP 6: the value
  parts: u32, // OP 7
  slope_segment: u32, // OP 4: elements each slope holds for, and how many slopes there are
  slope_period: u32,
  dims: array<vec4u, 2>,
  strides: array<vec4u, 8>, // by axis: a, b, c, out
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> slots: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read> a: array<f32>;
@group(0) @binding(3) var<storage, read> b: array<u32>; // float32 by its bits, or integers
@group(0) @binding(4) var<storage, read> c: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

var<workgroup> largest: atomic<u32>;

fn pow2(k: i32) -> f32 {
  return bitcast<f32>(u32(clamp(k, -126, 126) + 127) << 23u);
}

// k such that the largest times 2^k lies in [1/2, 1); 0 for an empty tensor.
fn lift(largest_bits: u32) -> i32 {
  let e = i32(largest_bits >> 23u);
  return select(126 - max(e, 1), 0, largest_bits == 0u || e >= 255);
}

fn place(i: u32) -> vec4u {
  var rest = i;
  var at = vec4u(params.a_offset, 0u, 0u, params.out_offset);
  for (var d = params.rank; d > 1u; d--) {
    let size = params.dims[(d - 1u) / 4u][(d - 1u) % 4u];
    at += (rest % size) * params.strides[d - 1u];
    rest /= size;
  }
  return at + rest * params.strides[0];
}

fn square(v: f32) -> f32 {
  return v * v;
}

fn factor(i: u32, at: vec4u, near: f32) -> f32 {
  switch OP {
    case 1u: { return bitcast<f32>(b[at.y]); }
    case 2u, 5u: { return square(bitcast<f32>(b[at.y]) * near); }
    case 3u: { return square((1.0 / bitcast<f32>(b[at.y])) * near); }
    case 4u: {
      let bit = (b[i >> 5u] >> (i & 31u)) & 1u;
      return select(square(c[(i / params.slope_segment) % params.slope_period]), 1.0, bit == 1u);
    }
    case 8u: { return bitcast<f32>(b[at.y]) / c[at.z]; }
    default: { return 1.0; }
  }
}

@compute @workgroup_size(256)
fn main(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  var scale = params.alpha;
  var near = 1.0;
  var exponent = params.exponent;
  if (OP != 5u && OP != 6u) {
    let bits = atomicLoad(&slots[2u * params.a_slot]);
    let e = bitcast<i32>(atomicLoad(&slots[2u * params.a_slot + 1u]));
    if (OP == 7u) {
      // The shared_exponent exponent of all parts that are not empty.
      var shared_exponent = -0x40000000;
      for (var p = 0u; p < params.parts; p++) {
        let part = atomicLoad(&slots[2u * b[p]]);
        if (part != 0u) {
          shared_exponent = max(shared_exponent, bitcast<i32>(atomicLoad(&slots[2u * b[p] + 1u])) - lift(part));
        }
      }
      scale *= select(pow2(e - shared_exponent), 0.0, bits == 0u || e - shared_exponent < -126);
      exponent += select(shared_exponent, 0, shared_exponent == -0x40000000);
    } else {
      scale *= pow2(lift(bits));
      exponent += e - lift(bits);
    }
  }
  if (OP == 2u || OP == 3u || OP == 5u) {
    let k = lift(atomicLoad(&slots[2u * params.b_slot]));
    near = pow2(k);
    exponent -= 2 * k;
  }
  var top = 0.0;
  for (var i = id.x; i < params.count; i += workgroups.x * 256u) {
    let at = place(i);
    var v = scale;
    if (OP != 5u && OP != 6u) {
      v *= a[at.x];
    }
    v *= factor(i, at, near);
    top = max(top, v);
    out[at.w] = v;
  }
  atomicMax(&largest, bitcast<u32>(top));
  workgroupBarrier();
  if (index == 0u) {
    atomicMax(&slots[2u * params.out_slot], atomicLoad(&largest));
    atomicStore(&slots[2u * params.out_slot + 1u], bitcast<u32>(exponent));
  }
}
`,
  score: `// Scores from gradients:
//
//   S_j / R = (θ_j·2^shift)² · m_j · G_j / R
//
// G is float32 × 2^exponent and brought near 1 as it is read; θ is scaled so that its square stays in range, G's exponent holds the way back.
// 1/R comes in inverse as factor × 2^exponent, written by the host once R is known. Float32. An invocation makes one weight after another.
//
// Plain loop: tests/support/reference.ts (referenceRound).

struct Params {
  count: u32,
  slot: u32,
  theta_scale: f32,
  pad: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> slots: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read> theta: array<f32>;
@group(0) @binding(3) var<storage, read> mask: array<u32>;
@group(0) @binding(4) var<storage, read> gradient: array<f32>;
@group(0) @binding(5) var<storage, read> inverse: array<u32>; // factor, exponent
@group(0) @binding(6) var<storage, read_write> scores: array<f32>;

fn pow2(k: i32) -> f32 {
  return bitcast<f32>(u32(clamp(k, -126, 126) + 127) << 23u);
}

// k such that the largest times 2^k lies in [1/2, 1); 0 for an empty tensor.
fn lift(largest_bits: u32) -> i32 {
  let e = i32(largest_bits >> 23u);
  return select(126 - max(e, 1), 0, largest_bits == 0u || e >= 255);
}

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let bits = atomicLoad(&slots[2u * params.slot]);
  let k = lift(bits);
  let near = pow2(k);
  let exponent = bitcast<i32>(atomicLoad(&slots[2u * params.slot + 1u])) - k + bitcast<i32>(inverse[1]);
  // In two steps: the power alone may leave float32's range.
  let first = pow2(exponent / 2);
  let second = pow2(exponent - exponent / 2) * bitcast<f32>(inverse[0]);
  for (var i = id.x; i < params.count; i += workgroups.x * 256u) {
    let t = theta[i] * params.theta_scale;
    let kept = ((mask[i >> 5u] >> (i & 31u)) & 1u) == 1u;
    var v = 0.0;
    if (kept) {
      v = (t * (near * gradient[i]) * first) * (t * second);
    }
    if ((bitcast<u32>(v) & 0x7f800000u) == 0x7f800000u) {
      atomicMax(&slots[0], 1u);
    }
    scores[i] = v;
  }
}
`,
  smooth: `// Smooth activations and Clip, f and h (or j) in one:
//
//   y = φ(z)         c_out = c · a²,  a = φ(z)/z,  0 at z = 0         squares: a²
//
// f is float32; h and j are float32 × 2^exponent: c is brought near 1 as it is read, and the largest result goes into the output's slot.
// An invocation makes one element after another.
//
// Plain loop: tests/support/functions.ts (activate), tests/support/reference.ts (entriesOf).

override COMPANION: bool = false;
override RECORD: bool = false;
override FN: u32 = 0u;
// 0: clip   1: elu   2: selu   3: celu   4: gelu   5: gelu-tanh   6: hard-swish   7: silu   8: mish   9: tanh

struct Params {
  count: u32,
  step: u32,
  c_slot: u32,
  out_slot: u32,
  alpha: f32,
  beta: f32,
  pad0: u32,
  pad1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> slots: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read> z: array<f32>;
@group(0) @binding(3) var<storage, read> c: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read_write> c_out: array<f32>;
@group(0) @binding(6) var<storage, read_write> squares: array<f32>;

var<workgroup> largest: atomic<u32>;

fn pow2(k: i32) -> f32 {
  return bitcast<f32>(u32(clamp(k, -126, 126) + 127) << 23u);
}

// k such that the largest times 2^k lies in [1/2, 1); 0 for an empty tensor.
fn lift(largest_bits: u32) -> i32 {
  let e = i32(largest_bits >> 23u);
  return select(126 - max(e, 1), 0, largest_bits == 0u || e >= 255);
}

// e^v − 1: by its series where the difference would lose digits.
fn expm1(v: f32) -> f32 {
  if (abs(v) > 0.5) {
    return exp(v) - 1.0;
  }
  var sum = 1.0;
  for (var n = 9.0; n > 1.0; n -= 1.0) {
    sum = 1.0 + sum * v / n;
  }
  return v * sum;
}

// 1 / (1 + e^−v) without an infinity on the way.
fn sigmoid(v: f32) -> f32 {
  let e = exp(-abs(v));
  return select(e, 1.0, v >= 0.0) / (1.0 + e);
}

// (e^2v − 1) / (e^2v + 1); 1 long before e^2v overflows.
fn tanh_of(v: f32) -> f32 {
  let e = expm1(2.0 * min(abs(v), 20.0));
  return sign(v) * (e / (e + 2.0));
}

// erfc(v) for v ≥ 0. Near 0: 1 − 2/√π·e^(−v²)·Σ 2ⁿ v^(2n+1)/(2n+1)!!, all terms positive; away from it the continued fraction.
fn erfc(v: f32) -> f32 {
  let tail = exp(-v * v);
  if (v < 1.5) {
    var term = v;
    var sum = v;
    for (var n = 1u; n < 16u; n++) {
      term *= 2.0 * v * v / f32(2u * n + 1u);
      sum += term;
    }
    return 1.0 - 1.1283791671 * tail * sum;
  }
  var fraction = v;
  for (var k = 32.0; k > 0.0; k -= 1.0) {
    fraction = v + 0.5 * k / fraction;
  }
  return tail / (1.7724538509 * fraction);
}

fn phi(v: f32) -> f32 {
  switch FN {
    case 0u: { return min(max(v, params.alpha), params.beta); }
    case 1u: { return select(v, params.alpha * expm1(v), v < 0.0); }
    case 2u: { return params.beta * select(v, params.alpha * expm1(v), v < 0.0); }
    case 3u: { return select(v, params.alpha * expm1(v / params.alpha), v < 0.0); }
    case 4u: {
      let e = erfc(abs(v) * 0.70710678119);
      return 0.5 * v * select(2.0 - e, e, v < 0.0);
    }
    case 5u: { return v * sigmoid(1.59576912161 * (v + 0.044715 * v * v * v)); }
    case 6u: { return v * min(max(v / 6.0 + 0.5, 0.0), 1.0); }
    case 7u: { return v * sigmoid(params.alpha * v); }
    case 8u: {
      // tanh(log(1 + e)) = (e² + 2e) / (e² + 2e + 2): nothing cancels.
      let e = exp(min(v, 30.0));
      let t = e * e + 2.0 * e;
      return v * (t / (t + 2.0));
    }
    default: { return tanh_of(v); }
  }
}

@compute @workgroup_size(256)
fn main(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  var scale = 1.0;
  var exponent = 0;
  if (COMPANION) {
    let k = lift(atomicLoad(&slots[2u * params.c_slot]));
    scale = pow2(k);
    exponent = bitcast<i32>(atomicLoad(&slots[2u * params.c_slot + 1u])) - k;
  }
  var top = 0.0;
  var finite = true;
  for (var i = id.x; i < params.count; i += workgroups.x * 256u) {
    let v = z[i];
    let p = phi(v);
    finite = finite && (bitcast<u32>(v) & 0x7f800000u) != 0x7f800000u && (bitcast<u32>(p) & 0x7f800000u) != 0x7f800000u;
    y[i] = p;
    if (COMPANION) {
      let gate = select(p / v, 0.0, v == 0.0);
      let g = scale * c[i] * (gate * gate);
      top = max(top, g);
      c_out[i] = g;
      if (RECORD) {
        squares[i] = gate * gate;
      }
    }
  }
  if (!finite) {
    atomicMax(&slots[0], params.step);
  }
  if (!COMPANION) {
    return;
  }
  atomicMax(&largest, bitcast<u32>(top));
  workgroupBarrier();
  if (index == 0u) {
    atomicMax(&slots[2u * params.out_slot], atomicLoad(&largest));
    atomicStore(&slots[2u * params.out_slot + 1u], bitcast<u32>(exponent));
  }
}
`,
  softmax: `// Softmax over one axis, inside gates:
//
//   y[outer, k, inner] = e^(x_k − max) / Σ e^(x − max)         LOG: x_k − max − log Σ e^(x − max)
//
// Float32. An invocation makes one (outer, inner) after another.
//
// Plain loop: tests/support/forward.ts (softmax).

override LOG: bool = false;

struct Params {
  rows: u32, // outer × inner
  inner: u32,
  size: u32,
  step: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> slots: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  var finite = true;
  for (var r = id.x; r < params.rows; r += workgroups.x * 64u) {
    let base = (r / params.inner) * params.size * params.inner + r % params.inner;
    var top = x[base];
    for (var k = 1u; k < params.size; k++) {
      top = max(top, x[base + k * params.inner]);
    }
    var sum = 0.0;
    for (var k = 0u; k < params.size; k++) {
      sum += exp(x[base + k * params.inner] - top);
    }
    for (var k = 0u; k < params.size; k++) {
      let at = base + k * params.inner;
      let v = select(exp(x[at] - top) / sum, x[at] - top - log(sum), LOG);
      finite = finite && (bitcast<u32>(v) & 0x7f800000u) != 0x7f800000u;
      y[at] = v;
    }
  }
  if (!finite) {
    atomicMax(&slots[0], params.step);
  }
}
`,
  spread_sum: `// The way back of a broadcast: every element of the smaller tensor gets the sum of what it was spread over.
//
//   out[i] = Σ_r d[i, r]
//
// Kept and summed axes are each up to 4, with their strides in d. Sums are float32, 16 at a time; d is brought near 1 as it is read, and the
// largest result goes into the output's slot. An invocation makes one element of out after another.
//
// Plain loop: tests/support/maps.ts (broadcastSources), transposed.

struct Params {
  count: u32,
  summed: u32, // how many terms each sum has
  d_slot: u32,
  out_slot: u32,
  kept_size: vec4u,
  kept_stride: vec4u,
  summed_size: vec4u,
  summed_stride: vec4u,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> slots: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read> d: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

var<workgroup> largest: atomic<u32>;

fn pow2(k: i32) -> f32 {
  return bitcast<f32>(u32(clamp(k, -126, 126) + 127) << 23u);
}

// k such that the largest times 2^k lies in [1/2, 1); 0 for an empty tensor.
fn lift(largest_bits: u32) -> i32 {
  let e = i32(largest_bits >> 23u);
  return select(126 - max(e, 1), 0, largest_bits == 0u || e >= 255);
}

fn way(i: u32, size: vec4u, stride: vec4u) -> u32 {
  let z = i / size.w;
  let y = z / size.z;
  let x = y / size.y;
  return x * stride.x + (y % size.y) * stride.y + (z % size.z) * stride.z + (i % size.w) * stride.w;
}

@compute @workgroup_size(256)
fn main(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let k = lift(atomicLoad(&slots[2u * params.d_slot]));
  let scale = pow2(k);
  let exponent = bitcast<i32>(atomicLoad(&slots[2u * params.d_slot + 1u])) - k;
  var top = 0.0;
  for (var i = id.x; i < params.count; i += workgroups.x * 256u) {
    let base = way(i, params.kept_size, params.kept_stride);
    var sum = 0.0;
    for (var first = 0u; first < params.summed; first += 16u) {
      var part = 0.0;
      for (var r = first; r < min(first + 16u, params.summed); r++) {
        part += scale * d[base + way(r, params.summed_size, params.summed_stride)];
      }
      sum += part;
    }
    top = max(top, sum);
    out[i] = sum;
  }
  atomicMax(&largest, bitcast<u32>(top));
  workgroupBarrier();
  if (index == 0u) {
    atomicMax(&slots[2u * params.out_slot], atomicLoad(&largest));
    atomicStore(&slots[2u * params.out_slot + 1u], bitcast<u32>(exponent));
  }
}
`,
  sum: `// The sum of two tensors of h, g or j, their exponents aligned; an empty tensor takes no part:
//
//   out · 2^E = a · 2^e + b · 2^f,     E = max(e, f) once both are brought near 1
//
// Tensors are float32 × 2^exponent; the largest result goes into the output's slot. The places of a, b and out run along up to 8 axes,
// each with a stride of its own (0: broadcast). An invocation makes one element after another.
//
// Plain loop: tests/support/reference.ts (entriesOf).

struct Params {
  count: u32,
  rank: u32,
  a_slot: u32,
  b_slot: u32,
  out_slot: u32,
  pad0: u32,
  pad1: u32,
  pad2: u32,
  dims: array<vec4u, 2>,
  strides: array<vec4u, 8>, // by axis: a, b, –, out
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> slots: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read> a: array<f32>;
@group(0) @binding(3) var<storage, read> b: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

var<workgroup> largest: atomic<u32>;

fn pow2(k: i32) -> f32 {
  return bitcast<f32>(u32(clamp(k, -126, 126) + 127) << 23u);
}

// k such that the largest times 2^k lies in [1/2, 1); 0 for an empty tensor.
fn lift(largest_bits: u32) -> i32 {
  let e = i32(largest_bits >> 23u);
  return select(126 - max(e, 1), 0, largest_bits == 0u || e >= 255);
}

fn place(i: u32) -> vec4u {
  var rest = i;
  var at = vec4u();
  for (var d = params.rank; d > 1u; d--) {
    let size = params.dims[(d - 1u) / 4u][(d - 1u) % 4u];
    at += (rest % size) * params.strides[d - 1u];
    rest /= size;
  }
  return at + rest * params.strides[0];
}

@compute @workgroup_size(256)
fn main(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let a_bits = atomicLoad(&slots[2u * params.a_slot]);
  let b_bits = atomicLoad(&slots[2u * params.b_slot]);
  let ae = bitcast<i32>(atomicLoad(&slots[2u * params.a_slot + 1u]));
  let be = bitcast<i32>(atomicLoad(&slots[2u * params.b_slot + 1u]));
  let an = ae - lift(a_bits);
  let bn = be - lift(b_bits);
  let exponent = select(select(max(an, bn), an, b_bits == 0u), bn, a_bits == 0u);
  let a_scale = select(pow2(ae - exponent), 0.0, a_bits == 0u || ae - exponent < -126);
  let b_scale = select(pow2(be - exponent), 0.0, b_bits == 0u || be - exponent < -126);
  var top = 0.0;
  for (var i = id.x; i < params.count; i += workgroups.x * 256u) {
    let at = place(i);
    let v = a_scale * a[at.x] + b_scale * b[at.y];
    top = max(top, v);
    out[at.w] = v;
  }
  atomicMax(&largest, bitcast<u32>(top));
  workgroupBarrier();
  if (index == 0u) {
    atomicMax(&slots[2u * params.out_slot], atomicLoad(&largest));
    atomicStore(&slots[2u * params.out_slot + 1u], bitcast<u32>(exponent));
  }
}
`,
  total: `// Σ a·b over two tensors of h, g or j, or Σ a of one: for R, ‖J_v f‖² and ‖J_θ v‖².
//
//   out[0] = the exponent, by its bits         out[1 + p] = what workgroup p has of the sum
//
// a and b are float32 × 2^exponent and brought near 1 as they are read. Float32, 16 terms at a time, then over the invocations of a workgroup
// in a tree; the host adds up the parts in double. An invocation takes runs of 16.
//
// Plain loop: tests/support/reference.ts (referenceRound).

override PRODUCT: bool = false;

struct Params {
  count: u32,
  a_slot: u32,
  b_slot: u32,
  offset: u32, // of out
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> slots: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read> a: array<f32>;
@group(0) @binding(3) var<storage, read> b: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<u32>;

var<workgroup> sums: array<f32, 64>;

fn pow2(k: i32) -> f32 {
  return bitcast<f32>(u32(clamp(k, -126, 126) + 127) << 23u);
}

// k such that the largest times 2^k lies in [1/2, 1); 0 for an empty tensor.
fn lift(largest_bits: u32) -> i32 {
  let e = i32(largest_bits >> 23u);
  return select(126 - max(e, 1), 0, largest_bits == 0u || e >= 255);
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let ak = lift(atomicLoad(&slots[2u * params.a_slot]));
  var exponent = bitcast<i32>(atomicLoad(&slots[2u * params.a_slot + 1u])) - ak;
  let a_scale = pow2(ak);
  var b_scale = 1.0;
  if (PRODUCT) {
    let bk = lift(atomicLoad(&slots[2u * params.b_slot]));
    exponent += bitcast<i32>(atomicLoad(&slots[2u * params.b_slot + 1u])) - bk;
    b_scale = pow2(bk);
  }
  var sum = 0.0;
  for (var first = 16u * (workgroup.x * 64u + index); first < params.count; first += 16u * 64u * workgroups.x) {
    var part = 0.0;
    for (var i = first; i < min(first + 16u, params.count); i++) {
      let v = a_scale * a[i];
      if (PRODUCT) {
        part += v * (b_scale * b[i]);
      } else {
        part += v;
      }
    }
    sum += part;
  }
  sums[index] = sum;
  workgroupBarrier();
  for (var half = 32u; half > 0u; half /= 2u) {
    if (index < half) {
      sums[index] += sums[index + half];
    }
    workgroupBarrier();
  }
  if (index == 0u) {
    out[params.offset + 1u + workgroup.x] = bitcast<u32>(sums[0]);
    if (workgroup.x == 0u) {
      out[params.offset] = bitcast<u32>(exponent);
    }
  }
}
`,
} as const;
