// The way back of a broadcast: every element of the smaller tensor gets the sum of what it was spread over.
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
