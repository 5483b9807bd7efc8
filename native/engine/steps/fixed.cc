// Fixed linear maps: f with c, h and g with |c|, j with c². One axis after another, each a small sparse matrix.
#include "../axis_pass.h"
#include "../step.h"

namespace px {
namespace {

class Fixed final : public StepExec {
 public:
  Fixed(const Plan& plan, const PlanStep& step) : StepExec(plan, step) {
    for (const AxisMap& a : step.axes) {
      maps_.push_back(a);
      AxisMap squared = a;
      for (float& v : squared.value) v *= v;
      squares_.push_back(squared);
      adjoints_.push_back(transposed(a));
      square_adjoints_.push_back(transposed(squared));
    }
  }

  void f(Env& env, DataPass& pass) override {
    Value x = pass.take(env, step_.inputs[0]);
    if (maps_.empty()) {
      const size_t n = pass.grid.floats(out_size());
      Value y;
      y.data = x.data.unshared() ? x.data : env.pool.acquire(n);
      for_ranges(env.threads, n, kGrainFloats, [&](size_t lo, size_t hi, size_t) {
        env.kernels.scale(x.data.get() + lo, y.data.get() + lo, hi - lo, step_.coefficient);
      });
      pass.f.put(step_.output, std::move(y));
      return;
    }
    std::vector<uint32_t> shape = in_shape();
    for (size_t i = 0; i < maps_.size(); ++i) {
      const float scale = i + 1 == maps_.size() ? step_.coefficient : 1.0f;
      x = apply_axis(env, pass.grid, shape, maps_[i], std::move(x), scale, step_.fill, false);
    }
    pass.f.put(step_.output, std::move(x));
  }

  void up(Env& env, Walk& walk) override {
    Value x = walk.take(env, step_.inputs[0]);
    std::vector<uint32_t> shape = in_shape();
    walk.values.put(step_.output,
                    apply(env, walk, shape, walk.net == Net::j ? squares_ : maps_, std::move(x)));
  }

  void down(Env& env, Walk& walk, GradientStore&) override {
    for (int column = 0; column < walk.columns; ++column) {
      Value d = walk.take_up(env, column, step_.output);
      if (d.zero()) continue;
      std::vector<uint32_t> shape = out_shape();
      walk.add_up(env, column, step_.inputs[0],
                  apply(env, walk, shape, walk.net == Net::j ? square_adjoints_ : adjoints_, std::move(d)));
    }
  }

 private:
  // Axes commute, so the adjoint may take them in the same order.
  Value apply(Env& env, Walk& walk, std::vector<uint32_t>& shape, const std::vector<AxisMap>& maps,
              Value x) const {
    const double c = std::fabs(static_cast<double>(step_.coefficient));
    const Scalar s = split(walk.net == Net::j ? c * c : c);
    if (maps.empty()) {
      const size_t elements = plan_.values[step_.output].size;
      return s.mantissa == 1.0f   ? x
             : s.mantissa == 0.5f ? halved(std::move(x), s.exp)
                                  : scaled_copy(env, walk.grid, elements, std::move(x), s);
    }
    for (size_t i = 0; i < maps.size(); ++i) {
      const bool last = i + 1 == maps.size();
      const int k = last ? lift(x.max) : 0;
      const int exp = x.exp;
      x = apply_axis(env, walk.grid, shape, maps[i], std::move(x), last ? s.mantissa * pow2(k) : 1.0f, 0.0f,
                     true);
      x.exp = exp + (last ? s.exp - k : 0);
    }
    return x;
  }

  // A power of two costs nothing: it is the exponent.
  static Value halved(Value x, int exp) {
    x.exp += exp - 1;
    return x;
  }

  std::vector<AxisMap> maps_, squares_, adjoints_, square_adjoints_;
};

}  // namespace

StepPtr make_fixed(const Plan& plan, const PlanStep& step) { return std::make_unique<Fixed>(plan, step); }

}  // namespace px
