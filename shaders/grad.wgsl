// The weight gradient of linear steps in g and j, as an implicit matrix product:
//
//   part[s, w(g, m, k)] = Σ_(p in part s) d[g, m, p] · x[g, i(p, k)]         p = (n, o): places of all samples
//
// M = rows channels of the tensor that is read straight, K = depth = channels × taps of the one that is gathered: i = o·stride + delta.
// (A transposed convolution exchanges the two: what is gathered is the upstream.) Entry k of the table says where its weight lies, and
// how far the gathered element is from where p reads. Parts are added up by fold.wgsl.
//
// Products and sums are float32, 16 at a time; both factors are brought near 1 as they are read. A workgroup makes a tile of 8·TY rows ×
// 128 columns of one part. It brings 16 places at a time into workgroup memory, and each of its 32 × TY invocations adds to 8 rows × 4 columns.
//
// Plain loop: tests/support/reference.ts (backpropagate).

override TY: u32 = 8u;

const CHUNK = 16u;
const QUADS = 32u;

struct Params {
  rows: u32,
  depth: u32,
  positions: u32,
  places: u32, // samples × positions
  part: u32, // places in a part, a multiple of 16
  size: u32, // weights in the parameter
  row_weights: u32,
  group_weights: u32,
  d_sample: u32,
  d_group: u32,
  d_row: u32,
  x_sample: u32,
  x_group: u32,
  d_slot: u32,
  x_slot: u32,
  tiles: u32,
  x_size: vec4u, // by spatial axis: the gathered tensor's
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

struct Place {
  d: i32, // −1: beyond the last
  x: i32,
  at: vec3i, // o·stride
}

var<workgroup> places: array<Place, CHUNK>;
var<workgroup> rows: array<vec4f, CHUNK * 2u * TY>; // [p][4 rows]
var<workgroup> columns: array<vec4f, CHUNK * QUADS>; // [p][4 columns]

fn pow2(k: i32) -> f32 {
  return bitcast<f32>(u32(clamp(k, -126, 126) + 127) << 23u);
}

// k such that the largest times 2^k lies in [1/2, 1); 0 for an empty tensor.
fn lift(largest_bits: u32) -> i32 {
  let e = i32(largest_bits >> 23u);
  return select(126 - max(e, 1), 0, largest_bits == 0u || e >= 255);
}

fn place(p: u32, end: u32, group: u32) -> Place {
  if (p >= end) {
    return Place(-1, 0, vec3i());
  }
  let sample = p / params.positions;
  let o = p % params.positions;
  let at = vec3u(o / (params.d_size.z * params.d_size.y), (o / params.d_size.z) % params.d_size.y, o % params.d_size.z);
  let dw = at * params.d_stride.xyz;
  let xa = at * params.stride.xyz;
  let xw = xa * params.x_stride.xyz;
  return Place(
    i32(sample * params.d_sample + group * params.d_group + dw.x + dw.y + dw.z),
    i32(sample * params.x_sample + group * params.x_group + xw.x + xw.y + xw.z),
    vec3i(xa),
  );
}

fn gathered(origin: Place, entry: vec4i, inside: bool) -> f32 {
  let at = origin.at + vec3i((entry.z << 16u) >> 16u, entry.z >> 16u, entry.w);
  if (!inside || origin.d < 0 || any(at < vec3i(0)) || any(at >= vec3i(params.x_size.xyz))) {
    return 0.0;
  }
  return x[origin.x + entry.x];
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
  let column_tiles = (params.depth + 4u * QUADS - 1u) / (4u * QUADS);
  let parts_count = (params.places + params.part - 1u) / params.part;
  let first_row = (tile % row_tiles) * 8u * TY;
  let first_column = ((tile / row_tiles) % column_tiles) * 4u * QUADS + 4u * id.x;
  let part = (tile / (row_tiles * column_tiles)) % parts_count;
  let group = tile / (row_tiles * column_tiles * parts_count);
  let end = min(params.places, (part + 1u) * params.part);

  var entry = array<vec4i, 4>();
  for (var j = 0u; j < 4u; j++) {
    if (first_column + j < params.depth) {
      entry[j] = table[first_column + j];
    }
  }
  let inside = vec4<bool>(
    first_column < params.depth,
    first_column + 1u < params.depth,
    first_column + 2u < params.depth,
    first_column + 3u < params.depth,
  );
  let d_scale = pow2(lift(atomicLoad(&slots[2u * params.d_slot])));
  let x_scale = pow2(lift(atomicLoad(&slots[2u * params.x_slot])));
  let load_p = index % CHUNK;
  let load_row = first_row + 4u * (index / CHUNK);

  var sum = array<vec4f, 8>();
  for (var chunk = part * params.part; chunk < end; chunk += CHUNK) {
    if (index < CHUNK) {
      places[index] = place(chunk + index, end, group);
    }
    workgroupBarrier();
    var v = vec4f();
    let origin = places[load_p].d;
    if (origin >= 0) {
      for (var r = 0u; r < 4u; r++) {
        if (load_row + r < params.rows) {
          v[r] = d_scale * d[u32(origin) + (load_row + r) * params.d_row];
        }
      }
    }
    rows[load_p * 2u * TY + index / CHUNK] = v;
    for (var p = id.y; p < CHUNK; p += TY) {
      let at = places[p];
      columns[p * QUADS + id.x] = x_scale * vec4f(
        gathered(at, entry[0], inside.x),
        gathered(at, entry[1], inside.y),
        gathered(at, entry[2], inside.z),
        gathered(at, entry[3], inside.w),
      );
    }
    workgroupBarrier();
    var some = array<vec4f, 8>();
    for (var p = 0u; p < CHUNK; p++) {
      let w = columns[p * QUADS + id.x];
      let a = rows[p * 2u * TY + 2u * id.y];
      let b = rows[p * 2u * TY + 2u * id.y + 1u];
      some[0] += a.x * w;
      some[1] += a.y * w;
      some[2] += a.z * w;
      some[3] += a.w * w;
      some[4] += b.x * w;
      some[5] += b.y * w;
      some[6] += b.z * w;
      some[7] += b.w * w;
    }
    for (var r = 0u; r < 8u; r++) {
      sum[r] += some[r];
    }
    workgroupBarrier();
  }

  for (var j = 0u; j < 4u; j++) {
    if (first_column + j >= params.depth) {
      break;
    }
    let base = part * params.size + group * params.group_weights + u32(entry[j].y);
    for (var r = 0u; r < 8u; r++) {
      let row = first_row + 8u * id.y + r;
      if (row >= params.rows) {
        break;
      }
      parts[base + row * params.row_weights] = sum[r][j];
    }
  }
}
