// Σ a·b over two tensors of h, g or j, or Σ a of one: for R, ‖J_v f‖² and ‖J_θ v‖².
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
