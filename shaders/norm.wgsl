// What a normalisation does with its statistics, one number per channel or group. OP:
//
//   0  BatchNorm, f: y = (x − center)·s + shift, s = γ/√(σ² + ε), in fours (center, s, shift, 0). The center is where the result is 0, with
//      the rounding of that place in the shift: there x − center is exact, so that no rounding of this step flips the gate behind.
//   1  BatchNorm, g and j: s by itself, its largest in the slot; the factor is s².
//   2  sums over micro-batches: total[c] += n·value[c], and n itself behind them.
//   3  LayerNorm, GroupNorm: per sample and group (mean, √a², 0, 0) in fours and a² = 1/(σ² + ε).
//   4  what sums over micro-batches are the mean of: total[c] / n.
//   5  means themselves: mean − pivot + pivot.
//
// γ, β, statistics: [mean − pivot | variance | pivot], C of each. OP 1 in g: [sums of variances | n]. Float32. An invocation makes one channel or group
// after another.
//
// Plain loop: tests/support/forward.ts (normalise).

override OP: u32 = 0u;

struct Params {
  count: u32,
  samples: u32,
  slot: u32,
  pooled: u32, // OP 1: statistics are sums over micro-batches
  epsilon: f32,
  pad0: u32,
  pad1: u32,
  pad2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> slots: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read> statistics: array<f32>;
@group(0) @binding(3) var<storage, read> gamma: array<f32>;
@group(0) @binding(4) var<storage, read> beta: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
@group(0) @binding(6) var<storage, read_write> squares: array<f32>; // OP 3

// a + b as a sum and its rounding.
fn two_sum(a: f32, b: f32) -> vec2f {
  let s = a + b;
  let t = s - a;
  return vec2f(s, (a - (s - t)) + (b - t));
}

fn halves(a: f32) -> vec2f {
  let t = 4097.0 * a;
  let high = t - (t - a);
  return vec2f(high, a - high);
}

// a·b as a product and its rounding.
fn two_product(a: f32, b: f32) -> vec2f {
  let p = a * b;
  let x = halves(a);
  let y = halves(b);
  return vec2f(p, ((x.x * y.x - p) + x.x * y.y + x.y * y.x) + x.y * y.y);
}

// b·√v / g to twice float32's digits: how far the result's zero lies below the mean.
fn distance(b: f32, v: f32, g: f32) -> vec2f {
  let root = sqrt(v);
  let square = two_product(root, root);
  let root_rest = ((v - square.x) - square.y) / (2.0 * root);
  let ratio = b / g;
  let back = two_product(ratio, g);
  let ratio_rest = ((b - back.x) - back.y) / g;
  let all = two_product(ratio, root);
  return vec2f(all.x, all.y + ratio * root_rest + ratio_rest * root);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let n = params.count;
  for (var c = id.x; c < n; c += workgroups.x * 64u) {
    switch OP {
      case 0u: {
        let mean = statistics[c];
        let pivot = statistics[2u * n + c];
        let variance = statistics[n + c] + params.epsilon;
        let s = gamma[c] / sqrt(variance);
        let way = distance(beta[c], variance, gamma[c]);
        let below = two_sum(mean, -way.x); // the zero, less the pivot
        let zero = two_sum(pivot, below.x);
        let near = gamma[c] != 0.0 && abs(zero.x) < 1e30;
        out[4u * c] = select(pivot + mean, zero.x, near);
        out[4u * c + 1u] = s;
        out[4u * c + 2u] = select(beta[c], -s * (zero.y + below.y - way.y), near);
        out[4u * c + 3u] = 0.0;
      }
      case 1u: {
        var variance = 0.0;
        if (params.pooled != 0u) {
          variance = statistics[c] / statistics[n];
        } else {
          variance = statistics[n + c];
        }
        let s = abs(gamma[c]) / sqrt(variance + params.epsilon);
        out[c] = s;
        atomicMax(&slots[2u * params.slot], bitcast<u32>(s));
      }
      case 2u: {
        out[c] += f32(params.samples) * statistics[c];
        if (c == 0u) {
          out[n] += f32(params.samples);
        }
      }
      case 3u: {
        let a2 = 1.0 / (statistics[n + c] + params.epsilon);
        let mean = two_sum(statistics[2u * n + c], statistics[c]);
        out[4u * c] = mean.x;
        out[4u * c + 1u] = sqrt(a2);
        out[4u * c + 2u] = -mean.y * sqrt(a2);
        out[4u * c + 3u] = 0.0;
        squares[c] = a2;
      }
      case 4u: { out[c] = statistics[c] / statistics[n]; }
      default: { out[c] = statistics[c] + statistics[2u * n + c]; }
    }
  }
}
