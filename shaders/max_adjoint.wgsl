// The way back of a maximum over windows in j: what every window sends to the element it chose, gathered.
//
//   x[n, i] = Σ_(o whose window holds i) d[n, o] · [choices[n, o] = i]
//
// Axes as in max.wgsl, map being the transposed one: per input index, the outputs whose windows hold it. Sums are float32; d is brought near
// 1 as it is read, and the largest result goes into the slot of x. An invocation makes one input element after another.
//
// Plain loop: tests/support/reference.ts (entriesOf, backpropagate).

struct Params {
  count: u32,
  d_slot: u32,
  out_slot: u32,
  x_sample: u32,
  y_sample: u32,
  pad0: u32,
  pad1: u32,
  pad2: u32,
  x_size: vec4u, // by axis
  y_stride: vec4u,
  starts: vec4u,
  indices: vec4u,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> slots: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read> d: array<f32>;
@group(0) @binding(3) var<storage, read> choices: array<u32>;
@group(0) @binding(4) var<storage, read> map: array<u32>;
@group(0) @binding(5) var<storage, read_write> x: array<f32>;

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
  let k = lift(atomicLoad(&slots[2u * params.d_slot]));
  let scale = pow2(k);
  let exponent = bitcast<i32>(atomicLoad(&slots[2u * params.d_slot + 1u])) - k;
  var top = 0.0;
  for (var i = id.x; i < params.count; i += workgroups.x * 256u) {
    let element = i % params.x_sample;
    let base = (i / params.x_sample) * params.y_sample;
    var rest = element;
    var place = vec4u();
    place.w = rest % params.x_size.w;
    rest /= params.x_size.w;
    place.z = rest % params.x_size.z;
    rest /= params.x_size.z;
    place.y = rest % params.x_size.y;
    place.x = rest / params.x_size.y;
    let row = params.starts + place;
    let first = vec4u(map[row.x], map[row.y], map[row.z], map[row.w]) + params.indices;
    let end = vec4u(map[row.x + 1u], map[row.y + 1u], map[row.z + 1u], map[row.w + 1u]) + params.indices;
    var sum = 0.0;
    for (var p = first.x; p < end.x; p++) {
      for (var q = first.y; q < end.y; q++) {
        for (var r = first.z; r < end.z; r++) {
          for (var s = first.w; s < end.w; s++) {
            let way = vec4u(map[p], map[q], map[r], map[s]) * params.y_stride;
            let o = base + way.x + way.y + way.z + way.w;
            if (choices[o] == element) {
              sum += scale * d[o];
            }
          }
        }
      }
    }
    top = max(top, sum);
    x[i] = sum;
  }
  atomicMax(&largest, bitcast<u32>(top));
  workgroupBarrier();
  if (index == 0u) {
    atomicMax(&slots[2u * params.out_slot], atomicLoad(&largest));
    atomicStore(&slots[2u * params.out_slot + 1u], bitcast<u32>(exponent));
  }
}
