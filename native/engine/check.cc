#include "check.h"

#include "error.h"

namespace px {

size_t checked_product(size_t a, size_t b) {
  constexpr size_t kLimit = size_t{1} << 40;
  if (a != 0 && b > kLimit / a) throw Error("ERR_BACKEND", "malformed plan: a shape is too large");
  return a * b;
}

namespace {

class Checker {
 public:
  explicit Checker(const Plan& plan) : plan_(plan), ready_(plan.values.size(), false) {}

  void run() {
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
    for (uint32_t i : s.inputs) need(i < ready_.size() && ready_[i], "it reads a value that does not exist yet");
    need(s.output < ready_.size() && !ready_[s.output], "its output exists already");
    need(!s.inputs.empty(), "it has no input");
    const PlanValue &x = value(s.inputs[0]), &y = value(s.output);
    switch (s.op) {
      case Op::conv: case Op::conv_transpose: case Op::dense: linear(s, x, y); break;
      case Op::fixed: case Op::max: axes(s, x, y); break;
      case Op::activation: case Op::affine: case Op::unary:
        need(x.size == y.size, "sizes of input and output differ");
        for (const auto& o : s.operands) operand(o, y);
        break;
      case Op::batch_norm: case Op::group_norm:
        need(x.size == y.size && !x.shape.empty(), "sizes of input and output differ");
        for (const auto& o : s.operands) need(o.data.size() == x.shape[0], "one number per channel expected");
        need(s.op != Op::group_norm || (s.axis > 0 && x.shape[0] % s.axis == 0), "channels do not divide into groups");
        break;
      case Op::layer_norm:
        need(x.size == y.size && s.axis <= x.shape.size(), "axes out of range");
        for (const auto& o : s.operands) operand(o, y);
        break;
      case Op::product: case Op::tail_product:
        need(s.inputs.size() == 2, "two inputs expected");
        for (uint32_t i : s.inputs) broadcasts(value(i).shape, y);
        break;
      case Op::binary:
        need(s.inputs.size() + s.operands.size() == 2, "two operands expected");
        for (uint32_t i : s.inputs) broadcasts(value(i).shape, y);
        for (const auto& o : s.operands) operand(o, y);
        break;
      case Op::add:
        need(s.ints.size() == s.inputs.size(), "one sign per input expected");
        for (uint32_t i : s.inputs) broadcasts(value(i).shape, y);
        break;
      case Op::concat: concat(s, y); break;
      case Op::reshape: need(x.size == y.size, "sizes of input and output differ"); break;
      case Op::transpose: transpose(s, x, y); break;
      case Op::softmax: need(x.size == y.size && s.axis < x.shape.size(), "axis out of range"); break;
      default: need(false, "unknown operation");
    }
    ready_[s.output] = true;
  }

  void broadcasts(const std::vector<uint32_t>& shape, const PlanValue& y) const {
    need(shape.size() <= y.shape.size(), "an operand has more axes than the output");
    for (size_t i = 0; i < shape.size(); ++i) {
      const uint32_t d = shape[shape.size() - 1 - i];
      need(d == 1 || d == y.shape[y.shape.size() - 1 - i], "an operand does not broadcast to the output");
    }
  }

  void operand(const Operand& o, const PlanValue& y) const {
    size_t n = 1;
    for (uint32_t d : o.shape) n = checked_product(n, d);
    need(n == o.data.size(), "a constant's shape and data disagree");
    broadcasts(o.shape, y);
  }

  void linear(const PlanStep& s, const PlanValue& x, const PlanValue& y) const {
    need(s.param < plan_.params.size(), "no such parameter");
    need(s.groups > 0 && s.in_channels > 0 && s.out_channels > 0, "no channels");
    const size_t n = s.spatial.size();
    need(s.tap_strides.size() == n && s.in_layout.spatial_strides.size() == n && s.out_layout.spatial_strides.size() == n, "axes disagree");
    // The largest offset each layout can produce, plus one, must equal (output: every element is written) or not pass the size.
    size_t in_positions = 1, out_positions = 1;
    size_t in_last = size_t{s.in_layout.channel_stride} * (size_t{s.groups} * s.in_channels - 1);
    size_t out_last = size_t{s.out_layout.channel_stride} * (size_t{s.groups} * s.out_channels - 1);
    size_t w_last = size_t{s.group_stride} * (s.groups - 1) + size_t{s.out_stride} * (s.out_channels - 1) + size_t{s.in_stride} * (s.in_channels - 1);
    for (size_t i = 0; i < n; ++i) {
      const SpatialAxis& a = s.spatial[i];
      need(a.in_size > 0 && a.out_size > 0 && a.taps > 0 && a.stride > 0 && a.dilation > 0, "an empty axis");
      in_positions = checked_product(in_positions, a.in_size);
      out_positions = checked_product(out_positions, a.out_size);
      in_last += size_t{s.in_layout.spatial_strides[i]} * (a.in_size - 1);
      out_last += size_t{s.out_layout.spatial_strides[i]} * (a.out_size - 1);
      w_last += size_t{s.tap_strides[i]} * (a.taps - 1);
    }
    need(in_last < x.size && checked_product(in_positions, size_t{s.groups} * s.in_channels) == x.size, "the input layout does not fit");
    need(out_last < y.size && checked_product(out_positions, size_t{s.groups} * s.out_channels) == y.size, "the output layout does not fit");
    need(w_last < plan_.params[s.param].size, "the weight view does not fit");
    need(s.operands.empty() || s.operands[0].data.size() == size_t{s.groups} * s.out_channels, "one bias per channel expected");
  }

  void axes(const PlanStep& s, const PlanValue& x, const PlanValue& y) const {
    need(x.shape.size() == y.shape.size(), "ranks differ");
    std::vector<uint32_t> shape = x.shape;
    for (const AxisMap& a : s.axes) {
      need(a.axis < shape.size() && shape[a.axis] == a.in_size, "an axis does not fit");
      need(a.start.size() == size_t{a.out_size} + 1 && a.start[0] == 0 && a.start.back() == a.index.size(), "an axis' rows are malformed");
      need(s.op == Op::max || a.value.size() == a.index.size(), "an axis' values are malformed");
      for (size_t o = 0; o < a.out_size; ++o) need(a.start[o] <= a.start[o + 1] && (s.op != Op::max || a.start[o] < a.start[o + 1]), "an axis' rows are malformed");
      for (uint32_t i : a.index) need(i < a.in_size, "an axis' index is out of range");
      shape[a.axis] = a.out_size;
    }
    need(shape == y.shape, "the output shape does not fit");
  }

  void concat(const PlanStep& s, const PlanValue& y) const {
    need(s.axis < y.shape.size(), "axis out of range");
    size_t total = 0, constants = 0;
    for (int32_t i : s.ints) {
      need(i < static_cast<int32_t>(s.inputs.size()), "no such part");
      const auto& shape = i < 0 ? s.operands[constants++].shape : value(s.inputs[i]).shape;
      need(shape.size() == y.shape.size(), "ranks differ");
      for (size_t d = 0; d < shape.size(); ++d) need(d == s.axis || shape[d] == y.shape[d], "shapes differ");
      if (i < 0) operand_exact(s.operands[constants - 1]);
      total += shape[s.axis];
    }
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
