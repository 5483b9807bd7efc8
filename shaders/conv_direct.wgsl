// Linear steps with few output channels a group (depthwise, above all), for f, h, g and j and for their data gradients:
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
