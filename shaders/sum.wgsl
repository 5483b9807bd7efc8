// The sum of two tensors of h, g or j, their exponents aligned; an empty tensor takes no part:
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
