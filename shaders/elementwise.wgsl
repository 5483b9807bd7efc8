// Elementwise operations of f, over tensors that broadcast, are transposed, or lie in a part of a larger one:
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
