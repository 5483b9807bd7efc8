// A sparse matrix along one axis: pools' averages, resizes, pads, slices, gathers, sums over windows, and their adjoints.
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
