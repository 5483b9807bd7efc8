// The Plan as the engine holds it: src/plan/plan.ts, field for field. Shapes are per sample.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include <string>
#include <vector>

namespace px {

enum class Kind : uint32_t { linear, fixed, gate, norm, sum, view, f_only };
enum class Op : uint32_t {
  conv,
  conv_transpose,
  dense,  // linear
  fixed,  // fixed
  activation,
  max,
  product,  // gate
  affine,
  batch_norm,
  layer_norm,
  group_norm,  // norm
  add,
  concat,
  tail_product,  // sum
  reshape,
  transpose,  // view
  unary,
  binary,
  softmax,  // f-only
};
enum class Activation : uint32_t {
  relu,
  leaky_relu,
  prelu,
  clip,
  elu,
  selu,
  celu,
  gelu,
  gelu_tanh,
  hard_swish,
  silu,
  mish,
  tanh
};
enum class Unary : uint32_t {
  sigmoid,
  hard_sigmoid,
  erf,
  softplus,
  exp,
  log,
  sqrt,
  reciprocal,
  neg,
  abs,
  pow
};
enum class Binary : uint32_t { add, sub, mul, div, min, max };

struct Operand {
  std::vector<uint32_t> shape;
  std::vector<float> data;
};

struct AxisMap {
  uint32_t axis = 0, in_size = 0, out_size = 0;
  std::vector<uint32_t> start, index;
  std::vector<float> value;
};

struct SpatialAxis {
  uint32_t in_size, out_size, taps, stride, dilation;
  int32_t pad;
};

struct ChannelLayout {
  uint32_t channel_stride = 0;
  std::vector<uint32_t> spatial_strides;
};

struct PlanStep {
  Kind kind;
  Op op;
  std::string name;
  std::vector<uint32_t> inputs;
  uint32_t output = 0;

  // linear
  uint32_t param = 0, group_stride = 0, out_stride = 0, in_stride = 0;
  std::vector<uint32_t> tap_strides;
  float alpha = 1.0f;
  uint32_t groups = 1, in_channels = 0, out_channels = 0;
  std::vector<SpatialAxis> spatial;
  ChannelLayout in_layout, out_layout;
  // fixed, max, sums, views, softmax
  float coefficient = 1.0f, fill = 0.0f;
  std::vector<AxisMap> axes;
  std::vector<int32_t>
      ints;               // add: signs; concat: input positions, -1 for the next constant; transpose: perm
  uint32_t axis = 0;      // concat, softmax; layer norm: number of trailing axes; group norm: groups
  bool flag = false;      // product, tail product: divide; binary: constant first; softmax: log
  uint32_t function = 0;  // Activation, Unary or Binary
  float beta = 0.0f;
  float epsilon = 0.0f;
  // Constants in the order the wire gives them: bias; slope; scale, shift; scale, bias, mean, variance; concat parts; binary constant.
  std::vector<Operand> operands;
  uint32_t present =
      0;  // bit i: the i-th optional operand is there (affine: scale, shift; linear: bias; layer norm: scale, bias)
};

struct PlanValue {
  std::vector<uint32_t> shape;
  bool signal = false;
  size_t size = 1;  // elements a sample
};

struct PlanParam {
  size_t size = 0;
  bool gate_only = false;
};

struct Plan {
  uint32_t input = 0;
  std::vector<PlanValue> values;
  std::vector<PlanParam> params;
  std::vector<PlanStep> steps;
  std::vector<uint32_t> outputs;
};

// Reads what src/backend/native/wire.ts writes. Throws Error(ERR_BACKEND) on anything out of place: ids, sizes and strides are
// checked against each other here, once, so that no kernel can be led out of bounds.
Plan read_plan(const uint8_t* bytes, size_t size);

}  // namespace px
