// The largest |x| (RECIPROCAL: the largest |1/x|) into a slot, exponent 0: before x is squared.
//
// An invocation looks at one element after another; the largest of a workgroup goes on.
//
// Plain loop: tests/support/reference.ts (entriesOf).

override RECIPROCAL: bool = false;

struct Params {
  count: u32,
  slot: u32,
  pad0: u32,
  pad1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> slots: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read> x: array<f32>;

var<workgroup> largest: atomic<u32>;

@compute @workgroup_size(256)
fn main(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  var top = 0.0;
  for (var i = id.x; i < params.count; i += workgroups.x * 256u) {
    var v = x[i];
    if (RECIPROCAL) {
      v = 1.0 / v;
    }
    top = max(top, abs(v));
  }
  atomicMax(&largest, bitcast<u32>(top));
  workgroupBarrier();
  if (index == 0u) {
    atomicMax(&slots[2u * params.slot], atomicLoad(&largest));
  }
}
