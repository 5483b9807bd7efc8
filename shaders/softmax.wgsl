// Softmax over one axis, inside gates:
//
//   y[outer, k, inner] = e^(x_k − max) / Σ e^(x − max)         LOG: x_k − max − log Σ e^(x − max)
//
// Float32. An invocation makes one (outer, inner) after another.
//
// Plain loop: tests/support/forward.ts (softmax).

override LOG: bool = false;

struct Params {
  rows: u32, // outer × inner
  inner: u32,
  size: u32,
  step: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> slots: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  var finite = true;
  for (var r = id.x; r < params.rows; r += workgroups.x * 64u) {
    let base = (r / params.inner) * params.size * params.inner + r % params.inner;
    var top = x[base];
    for (var k = 1u; k < params.size; k++) {
      top = max(top, x[base + k * params.inner]);
    }
    var sum = 0.0;
    for (var k = 0u; k < params.size; k++) {
      sum += exp(x[base + k * params.inner] - top);
    }
    for (var k = 0u; k < params.size; k++) {
      let at = base + k * params.inner;
      let v = select(exp(x[at] - top) / sum, x[at] - top - log(sum), LOG);
      finite = finite && (bitcast<u32>(v) & 0x7f800000u) != 0x7f800000u;
      y[at] = v;
    }
  }
  if (!finite) {
    atomicMax(&slots[0], params.step);
  }
}
