// One tensor of h, g or j times a factor, over tensors that broadcast, are transposed, or lie in a part of a larger one:
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
