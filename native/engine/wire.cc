// Decodes a Plan. The format is a sequence of little-endian 32-bit words; arrays are preceded by their length, strings by their
// length in bytes and padded to whole words. src/backend/native/wire.ts writes it, field by field in this order.
#include <string.h>

#include "check.h"
#include "error.h"
#include "plan.h"

namespace px {
namespace {

constexpr uint32_t kMagic = 0x4c505850;  // "PXPL"
constexpr uint32_t kVersion = 1;

class Reader {
 public:
  Reader(const uint8_t* bytes, size_t size) : p_(bytes), left_(size) {}

  uint32_t u32() {
    uint32_t v;
    take(&v, 4);
    return v;
  }
  int32_t i32() { return static_cast<int32_t>(u32()); }
  float f32() {
    float v;
    take(&v, 4);
    return v;
  }
  bool flag() { return u32() != 0; }
  size_t count() {
    const uint32_t n = u32();
    if (n > left_ / 4) bad("an array is longer than the plan");
    return n;
  }
  template <typename T>
  std::vector<T> array() {
    static_assert(sizeof(T) == 4, "words only");
    std::vector<T> v(count());
    if (!v.empty()) take(v.data(), v.size() * 4);
    return v;
  }
  std::string text() {
    const uint32_t n = u32();
    if (n > left_) bad("a name is longer than the plan");
    std::string s(reinterpret_cast<const char*>(p_), n);
    skip((n + 3) / 4 * 4);
    return s;
  }
  bool done() const { return left_ == 0; }
  [[noreturn]] static void bad(const std::string& why) {
    throw Error("ERR_BACKEND", "malformed plan: " + why);
  }

 private:
  void take(void* out, size_t n) {
    if (n > left_) bad("it ends early");
    memcpy(out, p_, n);
    skip(n);
  }
  void skip(size_t n) {
    if (n > left_) bad("it ends early");
    p_ += n;
    left_ -= n;
  }
  const uint8_t* p_;
  size_t left_;
};

Operand read_operand(Reader& r) {
  Operand o;
  o.shape = r.array<uint32_t>();
  o.data = r.array<float>();
  return o;
}

void read_optional(Reader& r, PlanStep& s, int bit) {
  if (!r.flag()) return;
  s.present |= 1u << bit;
  s.operands.push_back(read_operand(r));
}

std::vector<AxisMap> read_axes(Reader& r) {
  std::vector<AxisMap> axes(r.count());
  for (auto& a : axes) {
    a.axis = r.u32();
    a.in_size = r.u32();
    a.out_size = r.u32();
    a.start = r.array<uint32_t>();
    a.index = r.array<uint32_t>();
    a.value = r.array<float>();
  }
  return axes;
}

ChannelLayout read_layout(Reader& r) {
  ChannelLayout l;
  l.channel_stride = r.u32();
  l.spatial_strides = r.array<uint32_t>();
  return l;
}

void read_linear(Reader& r, PlanStep& s) {
  s.param = r.u32();
  s.group_stride = r.u32();
  s.out_stride = r.u32();
  s.in_stride = r.u32();
  s.tap_strides = r.array<uint32_t>();
  s.alpha = r.f32();
  s.groups = r.u32();
  s.in_channels = r.u32();
  s.out_channels = r.u32();
  s.spatial.resize(r.count());
  for (auto& a : s.spatial) {
    a.in_size = r.u32();
    a.out_size = r.u32();
    a.taps = r.u32();
    a.stride = r.u32();
    a.dilation = r.u32();
    a.pad = r.i32();
  }
  s.in_layout = read_layout(r);
  s.out_layout = read_layout(r);
  read_optional(r, s, 0);
}

void read_body(Reader& r, PlanStep& s) {
  switch (s.op) {
    case Op::conv:
    case Op::conv_transpose:
    case Op::dense:
      return read_linear(r, s);
    case Op::fixed:
      s.coefficient = r.f32();
      s.fill = r.f32();
      s.axes = read_axes(r);
      return;
    case Op::activation:
      s.function = r.u32();
      s.alpha = r.f32();
      s.beta = r.f32();
      read_optional(r, s, 0);
      return;
    case Op::max:
      s.axes = read_axes(r);
      return;
    case Op::product:
    case Op::tail_product:
      s.flag = r.flag();
      return;
    case Op::affine:
      read_optional(r, s, 0);
      read_optional(r, s, 1);
      return;
    case Op::batch_norm:
      s.epsilon = r.f32();
      for (int i = 0; i < 4; ++i) s.operands.push_back(read_operand(r));
      return;
    case Op::layer_norm:
      s.epsilon = r.f32();
      s.axis = r.u32();
      read_optional(r, s, 0);
      read_optional(r, s, 1);
      return;
    case Op::group_norm:
      s.epsilon = r.f32();
      s.axis = r.u32();
      for (int i = 0; i < 2; ++i) s.operands.push_back(read_operand(r));
      return;
    case Op::add:
      s.ints = r.array<int32_t>();
      return;
    case Op::concat:
      s.axis = r.u32();
      s.ints = r.array<int32_t>();
      for (int32_t i : s.ints)
        if (i < 0) s.operands.push_back(read_operand(r));
      return;
    case Op::reshape:
      return;
    case Op::transpose:
      s.ints = r.array<int32_t>();
      return;
    case Op::unary:
      s.function = r.u32();
      s.alpha = r.f32();
      s.beta = r.f32();
      return;
    case Op::binary:
      s.function = r.u32();
      s.flag = r.flag();
      read_optional(r, s, 0);
      return;
    case Op::softmax:
      s.axis = r.u32();
      s.flag = r.flag();
      return;
  }
  Reader::bad("unknown step");
}

PlanStep read_step(Reader& r) {
  PlanStep s;
  s.kind = static_cast<Kind>(r.u32());
  s.op = static_cast<Op>(r.u32());
  s.name = r.text();
  s.inputs = r.array<uint32_t>();
  s.output = r.u32();
  read_body(r, s);
  return s;
}

}  // namespace

Plan read_plan(const uint8_t* bytes, size_t size) {
  Reader r(bytes, size);
  if (r.u32() != kMagic || r.u32() != kVersion) Reader::bad("not a plan of this version");
  Plan plan;
  plan.input = r.u32();
  plan.values.resize(r.count());
  for (auto& v : plan.values) {
    v.shape = r.array<uint32_t>();
    v.signal = r.flag();
    for (uint32_t d : v.shape) v.size = checked_product(v.size, d);
  }
  plan.params.resize(r.count());
  for (auto& p : plan.params) {
    const uint64_t low = r.u32();
    p.size = static_cast<size_t>(low | static_cast<uint64_t>(r.u32()) << 32);
    p.gate_only = r.flag();
  }
  const size_t steps = r.count();
  for (size_t i = 0; i < steps; ++i) plan.steps.push_back(read_step(r));
  plan.outputs = r.array<uint32_t>();
  if (!r.done()) Reader::bad("bytes follow its end");
  check_plan(plan);
  return plan;
}

}  // namespace px
