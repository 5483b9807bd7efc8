// A signal times (or divided by) a gate: f as is, h and j times gate² (1/gate²), g unchanged but for the shape.
#include "../broadcast.h"
#include "../step.h"

namespace px {
namespace {

class Product final : public StepExec {
 public:
  Product(const Plan& plan, const PlanStep& step)
      : StepExec(plan, step), signal_map_(in_shape(0), out_shape()), gate_map_(in_shape(1), out_shape()) {}

  void f(Env& env, DataPass& pass) override {
    const size_t n = pass.grid.floats(out_size());
    const Value x = pass.take(env, step_.inputs[0]), q = pass.take(env, step_.inputs[1]);
    factor_ = factor(env, pass.grid, q);
    const Buffer xs = spread(env, pass.grid, signal_map_, out_size(), x.data);
    Value y;
    y.data = env.pool.acquire(n);
    for_ranges(env.threads, n, kGrainFloats, [&](size_t lo, size_t hi, size_t) {
      env.kernels.mul(xs.get() + lo, factor_.data.get() + lo, y.data.get() + lo, hi - lo, pow2(factor_.exp));
    });
    pass.f.put(step_.output, std::move(y));
    if (!pass.scoring || !signal()) factor_ = Value();
  }

  void up(Env& env, Walk& walk) override {
    Value x = walk.take(env, step_.inputs[0]);
    x.data = spread(env, walk.grid, signal_map_, out_size(), x.data);
    walk.values.put(step_.output, walk.net == Net::g ? std::move(x) : gated(env, walk.grid, std::move(x)));
    if (walk.net == Net::h) factor_ = Value();
  }

  void down(Env& env, Walk& walk, GradientStore&) override {
    for (int column = 0; column < walk.columns; ++column) {
      Value d = walk.take_up(env, column, step_.output);
      if (d.zero()) continue;
      if (walk.net != Net::g) d = gated(env, walk.grid, std::move(d));
      walk.add_up(env, column, step_.inputs[0],
                  gathered(env, walk.grid, signal_map_, out_size(), std::move(d)));
    }
    factor_ = Value();
  }

  void drop_records() override { factor_ = Value(); }

 private:
  // The gate (or its reciprocal) in the output's shape, divided by a power of two so that its square stays in range.
  Value factor(Env& env, Grid grid, const Value& q) const {
    const size_t n = grid.floats(gate_map_.elements());
    Value r;
    r.data = env.pool.acquire(n);
    SharedMax max;
    for_ranges(env.threads, n, kGrainFloats, [&](size_t lo, size_t hi, size_t) {
      for (size_t i = lo; i < hi; ++i)
        r.data.get()[i] = step_.flag ? 1.0f / q.data.get()[i] : q.data.get()[i];
      max.add(env.kernels.largest(r.data.get() + lo, hi - lo));
    });
    const int k = lift(max.get());
    for_ranges(env.threads, n, kGrainFloats, [&](size_t lo, size_t hi, size_t) {
      env.kernels.scale(r.data.get() + lo, r.data.get() + lo, hi - lo, pow2(k));
    });
    r.exp = -k;
    r.data = spread(env, grid, gate_map_, out_size(), r.data);
    return r;
  }

  Value gated(Env& env, Grid grid, Value x) const {
    const size_t n = grid.floats(out_size());
    const int k = lift(x.max);
    Value y;
    y.data = x.data.unshared() ? x.data : env.pool.acquire(n);
    SharedMax max;
    for_ranges(env.threads, n, kGrainFloats, [&](size_t lo, size_t hi, size_t) {
      max.add(env.kernels.mul_square(x.data.get() + lo, factor_.data.get() + lo, y.data.get() + lo, hi - lo,
                                     pow2(k)));
    });
    y.max = max.get();
    y.exp = x.exp - k + 2 * factor_.exp;
    return y;
  }

  Broadcast signal_map_, gate_map_;
  Value factor_;  // of this micro-batch, for h at once, for j until the adjoint
};

}  // namespace

StepPtr make_product(const Plan& plan, const PlanStep& step) { return std::make_unique<Product>(plan, step); }

}  // namespace px
