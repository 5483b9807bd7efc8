// Linear steps: f with θ·m and bias, h with m, g and j with θ²·m; the adjoint is the map with its ends exchanged.
#include "../linear/apply.h"
#include "../linear/grad.h"
#include "../step.h"
#include "../weights.h"

namespace px {
namespace {

class Linear final : public StepExec {
 public:
  Linear(const Plan& plan, const PlanStep& step, const Weights& weights)
      : StepExec(plan, step),
        weights_(weights),
        map_(LinearMap::forward(plan, step)),
        adjoint_(map_.adjoint()) {}

  void f(Env& env, DataPass& pass) override {
    const Value x = pass.f.take(step_.inputs[0]);
    Value y;
    y.data = env.pool.acquire(pass.grid.floats(out_size()));
    const float* bias = step_.operands.empty() ? nullptr : step_.operands[0].data.data();
    LinearCall call{source(Source::theta, step_.alpha), pass.grid, x.data.get(), y.data.get()};
    call.bias = bias;
    apply_linear(env, map_, call);
    pass.f.put(step_.output, std::move(y));
  }

  void up(Env& env, Walk& walk) override {
    const Value x = walk.values.take(step_.inputs[0]);
    const bool squared = walk.net != Net::h;
    const Scalar c = coefficient(walk.net);
    walk.values.put(step_.output,
                    apply(env, map_, source(squared ? Source::theta_squared : Source::mask, c.mantissa),
                          walk.grid, x, c.exp - weight_exp(squared)));
    if (squared) input_ = x;
  }

  void down(Env& env, Walk& walk, GradientStore& gradients) override {
    const Scalar c = coefficient(walk.net);
    const int exp = c.exp - weight_exp(true);
    for (int column = 0; column < walk.columns; ++column) {
      const Value d = walk.take_up(column, step_.output);
      if (d.zero()) continue;
      if (!input_.zero()) {
        const int k = std::clamp(lift(d.max) + lift(input_.max), -126,
                                 126);  // both factors near 1, so that long sums stay in range
        const int grad_exp = d.exp + input_.exp + exp - k;
        GradientCall call{source(Source::mask, 1.0f), walk.grid, input_.data.get(), d.data.get(), 1.0f};
        if (column == 0) {
          const float room = gradients.admit(env, step_.param, grad_exp);
          call.factor = c.mantissa * pow2(k) * room;
          call.gradient = gradients.values(step_.param);
          add_weight_gradient(env, map_, call);
        } else {
          double total = 0.0;
          call.factor = c.mantissa * pow2(k);
          call.total = &total;
          add_weight_gradient(env, map_, call);
          gradients.add_total(total, grad_exp + 2 * weights_.shift(step_.param));
        }
      }
      if (plan_.input != step_.inputs[0])
        walk.add_up(env, column, step_.inputs[0],
                    apply(env, adjoint_, source(Source::theta_squared, c.mantissa), walk.grid, d, exp));
    }
    input_ = Value();
  }

  void drop_records() override { input_ = Value(); }

 private:
  WeightSource source(Source s, float factor) const {
    return {s,
            weights_.values(step_.param),
            weights_.mask(step_.param),
            pow2(weights_.shift(step_.param)),
            factor,
            weights_.density(step_.param),
            nullptr};
  }
  Scalar coefficient(Net net) const {
    const double a = std::fabs(static_cast<double>(step_.alpha));
    return split(net == Net::j ? a * a : a);
  }
  // (θ·2^s)² stands for θ², which is 2^-2s of it.
  int weight_exp(bool squared) const { return squared ? 2 * weights_.shift(step_.param) : 0; }

  Value apply(Env& env, const LinearMap& map, const WeightSource& w, Grid grid, const Value& x,
              int exp) const {
    Value y;
    const size_t n = grid.floats(map.out_elements);
    y.data = env.pool.acquire(n);
    const int k = lift(x.max);
    LinearCall call{w, grid, x.data.get(), y.data.get()};
    call.scale = pow2(k);
    call.max = &y.max;
    apply_linear(env, map, call);
    y.exp = x.exp + exp - k;
    return y;
  }

  const Weights& weights_;
  LinearMap map_, adjoint_;
  Value input_;  // of g or j, kept for the weight gradient
};

}  // namespace

StepPtr make_linear(const Plan& plan, const PlanStep& step, const Weights& weights) {
  return std::make_unique<Linear>(plan, step, weights);
}

}  // namespace px
