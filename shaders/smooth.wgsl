// Smooth activations and Clip, f and h (or j) in one:
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
