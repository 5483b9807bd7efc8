// Scores from gradients:
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
