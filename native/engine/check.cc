#include "check.h"

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "error.h"

namespace px {

size_t checked_product(size_t a, size_t b) {
  constexpr size_t kLimit = size_t{1} << 40;
  if (a != 0 && b > kLimit / a) throw Error("ERR_BACKEND", "malformed plan: a shape is too large");
  return a * b;
}

namespace {

// Kernels count in int32 along axes; offsets are 64 bits wide.
constexpr size_t kMaxElements = std::numeric_limits<int32_t>::max();  // of a value, a sample
constexpr size_t kMaxTaps = size_t{1} << 27;  // (output position, tap) pairs of an axis
constexpr int64_t kMaxReach =
    1 << 29;  // positions a linear step may look past an axis: sums of a few fit int32

// One axis of a strided array.
struct Stride {
  size_t stride, size;
};

// Do the axes reach different elements for different indices? Exactly `elements` of them, without a gap, where that is given.
bool distinct(std::vector<Stride> axes, size_t elements = 0) {
  axes.erase(std::remove_if(axes.begin(), axes.end(), [](const Stride& a) { return a.size == 1; }),
             axes.end());
  std::sort(axes.begin(), axes.end(), [](const Stride& a, const Stride& b) { return a.stride < b.stride; });
  size_t reach = 1;  // one past the farthest element of the axes so far
  for (const Stride& a : axes) {
    if (a.stride < reach || (elements && a.stride != reach)) return false;
    reach += a.stride * (a.size - 1);
  }
  return elements == 0 || reach == elements;
}

class Checker {
 public:
  explicit Checker(const Plan& plan) : plan_(plan), ready_(plan.values.size(), false) {}

  void run() {
    for (const auto& v : plan_.values)
      need(v.size > 0 && v.size <= kMaxElements, "a value has no elements, or too many");
    for (const auto& p : plan_.params)
      need(p.size > 0, "a parameter has no elements"), checked_product(p.size, 1);
    need(plan_.input < plan_.values.size(), "the input is no value");
    ready_[plan_.input] = true;
    for (const auto& s : plan_.steps) step(s);
    for (uint32_t o : plan_.outputs) need(o < ready_.size() && ready_[o], "an output is never computed");
  }

 private:
  const Plan& plan_;
  std::vector<bool> ready_;
  const char* name_ = "plan";

  void need(bool ok, const char* why) const {
    if (!ok) throw Error("ERR_BACKEND", std::string("malformed plan: step '") + name_ + "': " + why);
  }
  const PlanValue& value(uint32_t id) const { return plan_.values[id]; }

  void step(const PlanStep& s) {
    name_ = s.name.c_str();
    for (uint32_t i : s.inputs)
      need(i < ready_.size() && ready_[i], "it reads a value that does not exist yet");
    need(s.output < ready_.size() && !ready_[s.output], "its output exists already");
    need(!s.inputs.empty(), "it has no input");
    const bool several = s.op == Op::product || s.op == Op::tail_product || s.op == Op::add ||
                         s.op == Op::concat || s.op == Op::binary;
    need(several || s.inputs.size() == 1, "one input expected");
    const PlanValue &x = value(s.inputs[0]), &y = value(s.output);
    switch (s.op) {
      case Op::conv:
      case Op::conv_transpose:
      case Op::dense:
        linear(s, x, y);
        break;
      case Op::fixed:
      case Op::max:
        axes(s, x, y);
        break;
      case Op::activation:
        need(s.function <= static_cast<uint32_t>(Activation::tanh), "unknown function");
        need(x.shape == y.shape, "shapes of input and output differ");
        for (const auto& o : s.operands) operand(o, y.shape);
        break;
      case Op::unary:
        need(s.function <= static_cast<uint32_t>(Unary::pow), "unknown function");
        need(x.shape == y.shape, "shapes of input and output differ");
        off_path(y);
        break;
      case Op::affine:
        need(x.shape == y.shape, "shapes of input and output differ");
        for (const auto& o : s.operands) operand(o, y.shape);
        break;
      case Op::batch_norm:
      case Op::group_norm:
        need(x.shape == y.shape && !x.shape.empty(), "shapes of input and output differ");
        for (const auto& o : s.operands) need(o.data.size() == x.shape[0], "one number per channel expected");
        need(s.op != Op::group_norm || (s.axis > 0 && x.shape[0] % s.axis == 0),
             "channels do not divide into groups");
        break;
      case Op::layer_norm:
        need(x.shape == y.shape && s.axis <= x.shape.size(), "axes out of range");
        for (const auto& o : s.operands) operand(o, {x.shape.end() - s.axis, x.shape.end()});
        break;
      case Op::product:
      case Op::tail_product:
        need(s.inputs.size() == 2, "two inputs expected");
        for (uint32_t i : s.inputs) broadcasts(value(i).shape, y.shape);
        break;
      case Op::binary:
        need(s.inputs.size() + s.operands.size() == 2, "two operands expected");
        need(s.function <= static_cast<uint32_t>(Binary::max), "unknown function");
        off_path(y);
        for (uint32_t i : s.inputs) broadcasts(value(i).shape, y.shape);
        for (const auto& o : s.operands) operand(o, y.shape);
        break;
      case Op::add:
        need(s.ints.size() == s.inputs.size(), "one sign per input expected");
        for (uint32_t i : s.inputs) broadcasts(value(i).shape, y.shape);
        break;
      case Op::concat:
        concat(s, y);
        break;
      case Op::reshape:
        need(x.size == y.size, "sizes of input and output differ");
        break;
      case Op::transpose:
        transpose(s, x, y);
        break;
      case Op::softmax:
        need(x.shape == y.shape && s.axis < x.shape.size(), "axis out of range");
        off_path(y);
        break;
      default:
        need(false, "unknown operation");
    }
    ready_[s.output] = true;
  }

  // What exists in f alone leaves nothing for h, g and j to read.
  void off_path(const PlanValue& y) const { need(!y.signal, "a value of f alone is marked as a signal"); }

  void broadcasts(const std::vector<uint32_t>& shape, const std::vector<uint32_t>& to) const {
    need(shape.size() <= to.size(), "an operand has more axes than what it meets");
    for (size_t i = 0; i < shape.size(); ++i) {
      const uint32_t d = shape[shape.size() - 1 - i];
      need(d == 1 || d == to[to.size() - 1 - i], "an operand does not broadcast");
    }
  }

  void operand(const Operand& o, const std::vector<uint32_t>& to) const {
    operand_exact(o);
    broadcasts(o.shape, to);
  }

  void linear(const PlanStep& s, const PlanValue& x, const PlanValue& y) const {
    need(s.param < plan_.params.size(), "no such parameter");
    need(s.groups > 0 && s.in_channels > 0 && s.out_channels > 0, "no channels");
    const size_t n = s.spatial.size();
    need(s.tap_strides.size() == n && s.in_layout.spatial_strides.size() == n &&
             s.out_layout.spatial_strides.size() == n,
         "axes disagree");
    const size_t in_channels = checked_product(s.groups, s.in_channels),
                 out_channels = checked_product(s.groups, s.out_channels);
    size_t in_positions = 1, out_positions = 1, taps = 1;
    std::vector<Stride> in{{s.in_layout.channel_stride, in_channels}},
        out{{s.out_layout.channel_stride, out_channels}};
    std::vector<Stride> weight{
        {s.group_stride, s.groups}, {s.out_stride, s.out_channels}, {s.in_stride, s.in_channels}};
    for (size_t i = 0; i < n; ++i) {
      const SpatialAxis& a = s.spatial[i];
      need(a.in_size > 0 && a.out_size > 0 && a.taps > 0 && a.stride > 0 && a.dilation > 0, "an empty axis");
      need(checked_product(std::max(a.in_size, a.out_size), a.taps) <= kMaxTaps, "an axis has too many taps");
      need(checked_product(std::max(a.in_size, a.out_size), a.stride) <= size_t{kMaxReach} &&
               checked_product(a.taps, a.dilation) <= size_t{kMaxReach} &&
               std::abs(int64_t{a.pad}) <= kMaxReach,
           "an axis reaches too far");
      in_positions = checked_product(in_positions, a.in_size);
      out_positions = checked_product(out_positions, a.out_size);
      taps = checked_product(taps, a.taps);
      in.push_back({s.in_layout.spatial_strides[i], a.in_size});
      out.push_back({s.out_layout.spatial_strides[i], a.out_size});
      weight.push_back({s.tap_strides[i], a.taps});
    }
    need(taps <= kMaxTaps && checked_product(taps, std::max(s.in_channels, s.out_channels)) <= kMaxElements,
         "too many taps");
    need(checked_product(in_positions, in_channels) == x.size && distinct(in, x.size),
         "the input layout does not fit");
    need(checked_product(out_positions, out_channels) == y.size && distinct(out, y.size),
         "the output layout does not fit");
    // Threads add to different weights without a lock, so no two indices may name the same one.
    size_t last = 0;
    for (const Stride& a : weight) last += a.stride * (a.size - 1);
    need(last < plan_.params[s.param].size && distinct(weight), "the weight view does not fit");
    need(s.operands.empty() || s.operands[0].data.size() == out_channels, "one bias per channel expected");
  }

  void axes(const PlanStep& s, const PlanValue& x, const PlanValue& y) const {
    need(x.shape.size() == y.shape.size(), "ranks differ");
    std::vector<uint32_t> shape = x.shape;
    size_t size = x.size, next = 0;
    for (const AxisMap& a : s.axes) {
      need(a.axis >= next, "its axes are not in ascending order");
      next = size_t{a.axis} + 1;
      need(a.axis < shape.size() && shape[a.axis] == a.in_size, "an axis does not fit");
      need(a.start.size() == size_t{a.out_size} + 1 && a.start[0] == 0 && a.start.back() == a.index.size(),
           "an axis' rows are malformed");
      need(s.op == Op::max || a.value.size() == a.index.size(), "an axis' values are malformed");
      for (size_t o = 0; o < a.out_size; ++o)
        need(a.start[o] <= a.start[o + 1] && (s.op != Op::max || a.start[o] < a.start[o + 1]),
             "an axis' rows are malformed");
      for (uint32_t i : a.index) need(i < a.in_size, "an axis' index is out of range");
      shape[a.axis] = a.out_size;
      size = size / a.in_size * a.out_size;  // axis after axis: values between two of them exist as well
      need(size > 0 && size <= kMaxElements, "a value between its axes has no elements, or too many");
    }
    need(shape == y.shape, "the output shape does not fit");
  }

  void concat(const PlanStep& s, const PlanValue& y) const {
    need(s.axis < y.shape.size(), "axis out of range");
    size_t total = 0, constants = 0;
    std::vector<bool> used(s.inputs.size(), false);
    for (int32_t i : s.ints) {
      need(i < static_cast<int32_t>(s.inputs.size()), "no such part");
      const auto& shape = i < 0 ? s.operands[constants++].shape : value(s.inputs[i]).shape;
      need(shape.size() == y.shape.size(), "ranks differ");
      for (size_t d = 0; d < shape.size(); ++d) need(d == s.axis || shape[d] == y.shape[d], "shapes differ");
      if (i < 0) operand_exact(s.operands[constants - 1]);
      if (i >= 0) {
        need(!used[i], "a part is used twice");
        used[i] = true;
      }
      need(shape[s.axis] > 0, "an empty part");
      total += shape[s.axis];
    }
    need(std::find(used.begin(), used.end(), false) == used.end(), "an input is no part");
    need(total == y.shape[s.axis], "sizes do not add up");
  }

  void operand_exact(const Operand& o) const {
    size_t n = 1;
    for (uint32_t d : o.shape) n = checked_product(n, d);
    need(n == o.data.size(), "a constant's shape and data disagree");
  }

  void transpose(const PlanStep& s, const PlanValue& x, const PlanValue& y) const {
    need(s.ints.size() == x.shape.size() && y.shape.size() == x.shape.size(), "ranks differ");
    std::vector<bool> seen(x.shape.size(), false);
    for (size_t i = 0; i < s.ints.size(); ++i) {
      const auto p = static_cast<size_t>(s.ints[i]);
      need(p < seen.size() && !seen[p] && y.shape[i] == x.shape[p], "not a permutation");
      seen[p] = true;
    }
  }
};

}  // namespace

void check_plan(const Plan& plan) { Checker(plan).run(); }

}  // namespace px
