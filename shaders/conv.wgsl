// Linear steps as an implicit matrix product, for f, h, g and j and for their data gradients:
//
//   y[n, g·M + m, o] = coefficient · Σ_k w[g, m, k] · x[n, g, i(o, k)]  (+ bias[g·M + m] in f)
//
// N samples, M = rows output channels a group, K = depth = input channels × taps, O = positions output places.
// Entry k of the table says where its weight lies, and how far the input element is from where the output reads:
//   gather:      i = o·stride + delta        (convolutions; data gradients where the stride is 1)
//   FRACTIONAL:  i = (o + delta) / stride, where that is whole        (transposed convolutions; data gradients)
//
// Products and sums are float32: 16 products at a time, which are then added to the whole. h, g and j are float32 × 2^exponent:
// x is brought near 1 as it is read, and the largest result goes into the output's slot.
//
// A workgroup makes a tile of 8·TY rows × 128 columns, a column being one (n, o). It brings 16 entries of K at a time into
// workgroup memory, input and weights, and each of its 32 × TY invocations adds to 8 rows × 4 columns held in registers.
//
// Plain loop: tests/support/maps.ts (linearTerms).

override WEIGHT: u32 = 0u; // 0: θ·mask, 1: mask, 2: (θ·2^shift)²·mask
override FRACTIONAL: bool = false;
override SCALED: bool = false; // h, g, j; otherwise f
override TY: u32 = 8u;

const CHUNK = 16u;
const QUADS = 32u;

struct Params {
  rows: u32,
  depth: u32,
  positions: u32,
  columns: u32, // samples × positions
  groups: u32,
  row_weights: u32, // elements between rows of the weight
  group_weights: u32,
  x_sample: u32, // elements between samples, and between groups
  x_group: u32,
  y_sample: u32,
  y_group: u32,
  y_row: u32,
  x_slot: u32,
  y_slot: u32,
  exponent: i32,
  factor: f32, // of the sum
  theta_scale: f32, // 2^shift
  has_bias: u32,
  step: u32,
  tiles: u32,
  x_size: vec4u, // by spatial axis
  y_size: vec4u,
  stride: vec4u,
  x_stride: vec4u,
  y_stride: vec4u,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> slots: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> theta: array<f32>;
@group(0) @binding(4) var<storage, read> mask: array<u32>;
@group(0) @binding(5) var<storage, read> table: array<vec4i>; // x offset, weight offset, deltas 0 and 1 in 16 bits each, delta 2
@group(0) @binding(6) var<storage, read> bias: array<f32>;
@group(0) @binding(7) var<storage, read_write> y: array<f32>;

var<workgroup> weights: array<vec4f, CHUNK * 2u * TY>; // [k][4 rows]
var<workgroup> inputs: array<vec4f, CHUNK * QUADS>; // [k][4 columns]
var<workgroup> largest: atomic<u32>;

fn pow2(k: i32) -> f32 {
  return bitcast<f32>(u32(clamp(k, -126, 126) + 127) << 23u);
}

// k such that the largest times 2^k lies in [1/2, 1); 0 for an empty tensor.
fn lift(largest_bits: u32) -> i32 {
  let e = i32(largest_bits >> 23u);
  return select(126 - max(e, 1), 0, largest_bits == 0u || e >= 255);
}

fn weight(at: u32) -> f32 {
  if (((mask[at >> 5u] >> (at & 31u)) & 1u) == 0u) {
    return 0.0;
  }
  if (WEIGHT == 1u) {
    return 1.0;
  }
  let t = theta[at];
  if (WEIGHT == 2u) {
    return (t * params.theta_scale) * (t * params.theta_scale);
  }
  return t;
}

struct Column {
  inside: bool,
  sample: u32,
  place: vec3u, // output place by axis
}

fn column(c: u32) -> Column {
  let sample = c / params.positions;
  let o = c % params.positions;
  let last = o % params.y_size.z;
  let middle = (o / params.y_size.z) % params.y_size.y;
  let first = o / (params.y_size.z * params.y_size.y);
  return Column(c < params.columns, sample, vec3u(first, middle, last));
}

// Where a column reads: place, or place·stride; beyond everything for one that does not exist.
fn reads(c: Column) -> vec3u {
  if (!c.inside) {
    return vec3u(0x40000000u);
  }
  if (FRACTIONAL) {
    return c.place;
  }
  return c.place * params.stride.xyz;
}

// Unsigned: what lies in front of the first element is beyond the last.
fn input(place: vec3u, origin: u32, entry: Entry) -> f32 {
  var at = place + entry.delta;
  var index = origin + entry.offset;
  if (FRACTIONAL) {
    let whole = at / params.stride.xyz;
    if (any(whole * params.stride.xyz != at)) {
      return 0.0;
    }
    at = whole;
    let way = at * params.x_stride.xyz;
    index += way.x + way.y + way.z;
  }
  if (any(at >= params.x_size.xyz)) {
    return 0.0;
  }
  return x[index];
}

struct Entry {
  offset: u32,
  delta: vec3u,
}

fn entry_of(k: u32) -> Entry {
  let e = table[k];
  return Entry(u32(e.x), vec3u(vec3i((e.z << 16u) >> 16u, e.z >> 16u, e.w)));
}

fn start(c: Column, group: u32) -> u32 {
  let base = c.sample * params.x_sample + group * params.x_group;
  if (FRACTIONAL) {
    return base;
  }
  let way = c.place * params.stride.xyz * params.x_stride.xyz;
  return base + way.x + way.y + way.z;
}

@compute @workgroup_size(32, TY)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_id) id: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let tile = workgroup.x + workgroup.y * workgroups.x;
  if (tile >= params.tiles) {
    return;
  }
  let row_tiles = (params.rows + 8u * TY - 1u) / (8u * TY);
  let column_tiles = (params.columns + 4u * QUADS - 1u) / (4u * QUADS);
  let first_row = (tile % row_tiles) * 8u * TY;
  let first_column = ((tile / row_tiles) % column_tiles) * 4u * QUADS + 4u * id.x;
  let group = tile / (row_tiles * column_tiles);

  let c0 = column(first_column);
  let c1 = column(first_column + 1u);
  let c2 = column(first_column + 2u);
  let c3 = column(first_column + 3u);
  let origin = vec4u(start(c0, group), start(c1, group), start(c2, group), start(c3, group));
  let r0 = reads(c0);
  let r1 = reads(c1);
  let r2 = reads(c2);
  let r3 = reads(c3);

  var scale = 1.0;
  var exponent = 0;
  if (SCALED) {
    let k = lift(atomicLoad(&slots[2u * params.x_slot]));
    scale = pow2(k);
    exponent = bitcast<i32>(atomicLoad(&slots[2u * params.x_slot + 1u])) - k + params.exponent;
  }

  let weight_k = index % CHUNK;
  let weight_row = first_row + 4u * (index / CHUNK);
  var sum = array<vec4f, 8>();
  for (var chunk = 0u; chunk < params.depth; chunk += CHUNK) {
    var w = vec4f();
    if (chunk + weight_k < params.depth) {
      let at = group * params.group_weights + u32(table[chunk + weight_k].y) + weight_row * params.row_weights;
      for (var r = 0u; r < 4u; r++) {
        if (weight_row + r < params.rows) {
          w[r] = weight(at + r * params.row_weights);
        }
      }
    }
    weights[weight_k * 2u * TY + index / CHUNK] = w;
    for (var k = id.y; k < CHUNK; k += TY) {
      var v = vec4f();
      if (chunk + k < params.depth) {
        let e = entry_of(chunk + k);
        v = scale * vec4f(input(r0, origin.x, e), input(r1, origin.y, e), input(r2, origin.z, e), input(r3, origin.w, e));
      }
      inputs[k * QUADS + id.x] = v;
    }
    workgroupBarrier();
    var part = array<vec4f, 8>();
    for (var k = 0u; k < CHUNK; k++) {
      let v = inputs[k * QUADS + id.x];
      let a = weights[k * 2u * TY + 2u * id.y];
      let b = weights[k * 2u * TY + 2u * id.y + 1u];
      part[0] += a.x * v;
      part[1] += a.y * v;
      part[2] += a.z * v;
      part[3] += a.w * v;
      part[4] += b.x * v;
      part[5] += b.y * v;
      part[6] += b.z * v;
      part[7] += b.w * v;
    }
    for (var r = 0u; r < 8u; r++) {
      sum[r] += part[r];
    }
    workgroupBarrier();
  }

  var top = 0.0;
  var finite = true;
  for (var j = 0u; j < 4u; j++) {
    let c = column(first_column + j);
    if (!c.inside) {
      break;
    }
    let way = c.place * params.y_stride.xyz;
    let base = c.sample * params.y_sample + group * params.y_group + way.x + way.y + way.z;
    for (var r = 0u; r < 8u; r++) {
      let row = first_row + 8u * id.y + r;
      if (row >= params.rows) {
        break;
      }
      var v = params.factor * sum[r][j];
      if (SCALED) {
        top = max(top, v);
      } else {
        if (params.has_bias != 0u) {
          v += bias[group * params.rows + row];
        }
        finite = finite && (bitcast<u32>(v) & 0x7f800000u) != 0x7f800000u;
      }
      y[base + row * params.y_row] = v;
    }
  }
  if (!SCALED) {
    if (!finite) {
      atomicMax(&slots[0], params.step);
    }
    return;
  }
  atomicMax(&largest, bitcast<u32>(top));
  workgroupBarrier();
  if (index == 0u) {
    atomicMax(&slots[2u * params.y_slot], atomicLoad(&largest));
    atomicStore(&slots[2u * params.y_slot + 1u], bitcast<u32>(exponent));
  }
}
