// The weight gradient of linear steps in g and j where a group has few weights (depthwise, above all):
//
//   part[0, w(g, m, k)] = Σ_p d[g, m, p] · x[g, i(p, k)]         p = (n, o): places of all samples
//
// Letters and table are those of grad.wgsl. Products and sums are float32, 16 at a time. A workgroup makes one weight after another; its 64
// invocations take runs of 16 places in turn and add up in a tree.
//
// Plain loop: tests/support/reference.ts (backpropagate).

struct Params {
  rows: u32,
  depth: u32,
  positions: u32,
  places: u32,
  part: u32,
  size: u32,
  row_weights: u32,
  group_weights: u32,
  d_sample: u32,
  d_group: u32,
  d_row: u32,
  x_sample: u32,
  x_group: u32,
  d_slot: u32,
  x_slot: u32,
  tiles: u32, // weights
  x_size: vec4u,
  d_size: vec4u,
  stride: vec4u,
  x_stride: vec4u,
  d_stride: vec4u,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> slots: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read> d: array<f32>;
@group(0) @binding(3) var<storage, read> x: array<f32>;
@group(0) @binding(4) var<storage, read> table: array<vec4i>;
@group(0) @binding(5) var<storage, read_write> parts: array<f32>;

var<workgroup> sums: array<f32, 64>;

fn pow2(k: i32) -> f32 {
  return bitcast<f32>(u32(clamp(k, -126, 126) + 127) << 23u);
}

// k such that the largest times 2^k lies in [1/2, 1); 0 for an empty tensor.
fn lift(largest_bits: u32) -> i32 {
  let e = i32(largest_bits >> 23u);
  return select(126 - max(e, 1), 0, largest_bits == 0u || e >= 255);
}

fn term(p: u32, group: u32, row: u32, entry: vec4i) -> vec2f {
  let sample = p / params.positions;
  let o = p % params.positions;
  let place = vec3u(o / (params.d_size.z * params.d_size.y), (o / params.d_size.z) % params.d_size.y, o % params.d_size.z);
  let first = vec3i(place * params.stride.xyz);
  let at = first + vec3i((entry.z << 16u) >> 16u, entry.z >> 16u, entry.w);
  if (any(at < vec3i(0)) || any(at >= vec3i(params.x_size.xyz))) {
    return vec2f();
  }
  let dw = place * params.d_stride.xyz;
  let xw = first * vec3i(params.x_stride.xyz);
  let origin = i32(sample * params.x_sample + group * params.x_group) + xw.x + xw.y + xw.z;
  return vec2f(
    d[sample * params.d_sample + group * params.d_group + row * params.d_row + dw.x + dw.y + dw.z],
    x[origin + entry.x],
  );
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let d_scale = pow2(lift(atomicLoad(&slots[2u * params.d_slot])));
  let x_scale = pow2(lift(atomicLoad(&slots[2u * params.x_slot])));
  for (var w = workgroup.x; w < params.tiles; w += workgroups.x) {
    let k = w % params.depth;
    let row = (w / params.depth) % params.rows;
    let group = w / (params.depth * params.rows);
    let entry = table[k];
    var sum = 0.0;
    for (var first = 16u * index; first < params.places; first += 16u * 64u) {
      var part = 0.0;
      for (var p = first; p < min(first + 16u, params.places); p++) {
        let t = term(p, group, row, entry);
        part += (d_scale * t.x) * (x_scale * t.y);
      }
      sum += part;
    }
    sums[index] = sum;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
      if (index < half) {
        sums[index] += sums[index + half];
      }
      workgroupBarrier();
    }
    if (index == 0u) {
      parts[group * params.group_weights + row * params.row_weights + u32(entry.y)] = sums[0];
    }
    workgroupBarrier();
  }
}
