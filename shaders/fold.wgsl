// Adds up the parts of a weight gradient, and gives the sum its exponent:
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
