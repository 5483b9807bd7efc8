// Mean and biased variance of sets of numbers: a channel over a micro-batch, or a part of one sample.
//
//   set s: x[s·inner + j·stride + i], j < outer, i < inner         mean = Σ x / n,  variance = Σ (x − mean)² / n
//
// A gate whose input rounds across zero changes h and j by whole amounts, so this is done with care: in float32, in one reading, but means are
// taken from a pivot, the set's first number, and mean and squares carry the rounding of their sums along (hi + lo). 16 numbers at a
// time give a mean and a sum of squares around it, which are merged (Chan et al.) with those before, then over the invocations of a
// workgroup, then (PART false) over the workgroups of a set. Nothing large is ever subtracted.
//
// PART true: workgroup (s, p) takes part p of set s and leaves (n, mean hi, lo, squares hi, lo). PART false: an invocation merges the parts of a
// set and leaves mean − pivot, variance and pivot, all sets' firsts, seconds and thirds one after another.
//
// Plain loop: tests/support/forward.ts (normalise).

override PART: bool = true;

struct Params {
  sets: u32,
  parts: u32,
  inner: u32,
  outer: u32,
  stride: u32,
  pad0: u32,
  pad1: u32,
  pad2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> slots: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> parts: array<f32>; // PART false
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

struct Moments {
  n: f32,
  mean: vec2f, // less the pivot; hi + lo
  squares: vec2f, // Σ (x − mean)²
}

var<workgroup> all: array<Moments, 64>;

// a + b as a sum and its rounding.
fn two_sum(a: f32, b: f32) -> vec2f {
  let s = a + b;
  let t = s - a;
  return vec2f(s, (a - (s - t)) + (b - t));
}

fn merge(a: Moments, b: Moments) -> Moments {
  if (b.n == 0.0) {
    return a;
  }
  let n = a.n + b.n;
  let share = b.n / n;
  let d = (b.mean.x - a.mean.x) + (b.mean.y - a.mean.y);
  let mean = two_sum(a.mean.x, d * share);
  let both = two_sum(a.squares.x, b.squares.x);
  let all_squares = two_sum(both.x, d * d * (a.n * share));
  return Moments(
    n,
    vec2f(mean.x, a.mean.y + mean.y),
    vec2f(all_squares.x, a.squares.y + b.squares.y + both.y + all_squares.y),
  );
}

fn run(first: u32, count: u32, base: u32) -> Moments {
  let pivot = x[base];
  let around = x[at(base, first)];
  var sum = 0.0;
  var squares = 0.0;
  for (var i = first; i < first + count; i++) {
    let v = x[at(base, i)] - around;
    sum += v;
    squares += v * v;
  }
  let n = f32(count);
  let mean = two_sum(around - pivot, sum / n);
  return Moments(n, mean, vec2f(max(squares - sum * (sum / n), 0.0), 0.0));
}

fn at(base: u32, i: u32) -> u32 {
  return base + (i / params.inner) * params.stride + i % params.inner;
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  if (!PART) {
    for (var s = workgroup.x * 64u + index; s < params.sets; s += workgroups.x * 64u) {
      var m = Moments();
      for (var p = 0u; p < params.parts; p++) {
        let k = 5u * (s * params.parts + p);
        m = merge(m, Moments(parts[k], vec2f(parts[k + 1u], parts[k + 2u]), vec2f(parts[k + 3u], parts[k + 4u])));
      }
      out[s] = m.mean.x + m.mean.y;
      out[params.sets + s] = (m.squares.x + m.squares.y) / m.n;
      out[2u * params.sets + s] = x[s * params.inner];
    }
    return;
  }
  let members = params.inner * params.outer;
  for (var task = workgroup.x; task < params.sets * params.parts; task += workgroups.x) {
    let s = task / params.parts;
    let p = task % params.parts;
    var m = Moments();
    // Runs of 16, dealt out to parts and invocations in turn.
    for (var first = 16u * (p * 64u + index); first < members; first += 16u * 64u * params.parts) {
      m = merge(m, run(first, min(16u, members - first), s * params.inner));
    }
    all[index] = m;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
      if (index < half) {
        all[index] = merge(all[index], all[index + half]);
      }
      workgroupBarrier();
    }
    if (index == 0u) {
      let m = all[0];
      let k = 5u * task;
      out[k] = m.n;
      out[k + 1u] = m.mean.x;
      out[k + 2u] = m.mean.y;
      out[k + 3u] = m.squares.x;
      out[k + 4u] = m.squares.y;
    }
    workgroupBarrier();
  }
}
