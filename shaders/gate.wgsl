// ReLU, LeakyReLU and PReLU, f and h (or j) in one:
//
//   y = z > 0 ? z : slope·z         c_out = c · (z > 0 ? 1 : slope²), 0 at z = 0         bits: z > 0
//
// E elements a sample; slope s holds for elements e with (e / segment) mod period = s. f is float32; h and j are float32 × 2^exponent:
// c is brought near 1 as it is read, and the largest result goes into the output's slot. Gates leave one bit an element.
// An invocation makes one element after another, its workgroup gathers 256 bits at a time.
//
// At z = 0 the gate is 0 whatever the slope. Where a bit says z ≤ 0 and the slope is not 0, the way back takes slope² for z = 0
// too: c is 0 there or reaches it through elements that are not, and no score in float32 can tell.
//
// Plain loop: tests/support/functions.ts (activate), tests/support/reference.ts (entriesOf).

override COMPANION: bool = false;
override RECORD: bool = false;

struct Params {
  count: u32,
  step: u32,
  segment: u32,
  period: u32,
  c_slot: u32,
  out_slot: u32,
  elements: u32, // of one sample
  pad: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> slots: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read> z: array<f32>;
@group(0) @binding(3) var<storage, read> c: array<f32>;
@group(0) @binding(4) var<storage, read> slopes: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
@group(0) @binding(6) var<storage, read_write> c_out: array<f32>;
@group(0) @binding(7) var<storage, read_write> bits: array<u32>;

var<workgroup> largest: atomic<u32>;
var<workgroup> words: array<atomic<u32>, 8>;

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
  @builtin(workgroup_id) workgroup: vec3u,
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
  var finite = true;
  for (var base = workgroup.x * 256u; base < params.count; base += workgroups.x * 256u) {
    let i = base + index;
    if (i < params.count) {
      let v = z[i];
      finite = finite && (bitcast<u32>(v) & 0x7f800000u) != 0x7f800000u;
      let slope = slopes[((i % params.elements) / params.segment) % params.period];
      y[i] = select(slope * v, v, v > 0.0);
      if (COMPANION) {
        let g = select(select(slope * slope, 0.0, v == 0.0), 1.0, v > 0.0) * (scale * c[i]);
        top = max(top, g);
        c_out[i] = g;
      }
      if (RECORD && v > 0.0) {
        atomicOr(&words[index >> 5u], 1u << (index & 31u));
      }
    }
    if (RECORD) {
      workgroupBarrier();
      if (index < 8u) {
        let word = base / 32u + index;
        if (32u * word < params.count) {
          bits[word] = atomicLoad(&words[index]);
        }
        atomicStore(&words[index], 0u);
      }
      workgroupBarrier();
    }
  }
  if (!finite) {
    atomicMax(&slots[0], params.step);
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
