// Maxima over windows, f and h (or j) in one. A window is the product of one index set per axis:
//
//   y[n, o] = max over i in window(o) of x[n, i]         c_out[n, o] = c[n, chosen]         choices[n, o] = chosen
//
// The first in row-major order wins a tie, padding is in no window. An empty window gives 0 and chooses nothing (0xffffffff).
// At most 4 axes, those that no window spans run together; each axis has its rows in map: start[0 .. size], then the indices.
// f is float32; h and j are float32 × 2^exponent: c is brought near 1 as it is read, and the largest result goes into the output's slot.
// An invocation makes one output element after another.
//
// Plain loop: tests/support/forward.ts (evaluate).

override COMPANION: bool = false;
override RECORD: bool = false;

struct Params {
  count: u32,
  step: u32,
  c_slot: u32,
  out_slot: u32,
  x_sample: u32, // elements of a sample
  y_sample: u32,
  pad0: u32,
  pad1: u32,
  y_size: vec4u, // by axis
  x_stride: vec4u,
  starts: vec4u, // where an axis' rows begin in map
  indices: vec4u, // where its indices begin
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> slots: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> c: array<f32>;
@group(0) @binding(4) var<storage, read> map: array<u32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
@group(0) @binding(6) var<storage, read_write> c_out: array<f32>;
@group(0) @binding(7) var<storage, read_write> choices: array<u32>;

var<workgroup> largest: atomic<u32>;

fn pow2(k: i32) -> f32 {
  return bitcast<f32>(u32(clamp(k, -126, 126) + 127) << 23u);
}

// k such that the largest times 2^k lies in [1/2, 1); 0 for an empty tensor.
fn lift(largest_bits: u32) -> i32 {
  let e = i32(largest_bits >> 23u);
  return select(126 - max(e, 1), 0, largest_bits == 0u || e >= 255);
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
  for (var i = id.x; i < params.count; i += workgroups.x * 256u) {
    let sample = i / params.y_sample;
    let base = sample * params.x_sample;
    var rest = i % params.y_sample;
    var place = vec4u();
    place.w = rest % params.y_size.w;
    rest /= params.y_size.w;
    place.z = rest % params.y_size.z;
    rest /= params.y_size.z;
    place.y = rest % params.y_size.y;
    place.x = rest / params.y_size.y;
    let row = params.starts + place;
    let first = vec4u(map[row.x], map[row.y], map[row.z], map[row.w]) + params.indices;
    let end = vec4u(map[row.x + 1u], map[row.y + 1u], map[row.z + 1u], map[row.w + 1u]) + params.indices;
    var best = 0.0;
    var chosen = 0xffffffffu;
    for (var p = first.x; p < end.x; p++) {
      for (var q = first.y; q < end.y; q++) {
        for (var r = first.z; r < end.z; r++) {
          for (var s = first.w; s < end.w; s++) {
            let way = vec4u(map[p], map[q], map[r], map[s]) * params.x_stride;
            let at = way.x + way.y + way.z + way.w;
            let v = x[base + at];
            if (chosen == 0xffffffffu || v > best) {
              best = v;
              chosen = at;
            }
          }
        }
      }
    }
    y[i] = best;
    if (COMPANION) {
      var g = 0.0;
      if (chosen != 0xffffffffu) {
        g = scale * c[base + chosen];
      }
      top = max(top, g);
      c_out[i] = g;
    }
    if (RECORD) {
      choices[i] = chosen;
    }
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
