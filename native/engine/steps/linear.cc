// Linear steps: f with θ·m and bias, h with m, g and j with θ²·m; the adjoint is the map with its ends exchanged.
#include "../lazy.h"
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
        adjoint_(map_.adjoint()),
        box_(box_map()) {
    for (const auto& s : plan.steps)
      normalised_ = normalised_ || (s.op == Op::batch_norm && s.inputs[0] == step.output);
  }

  void f(Env& env, DataPass& pass) override {
    const Value x = pass.take(env, step_.inputs[0]);
    Value y;
    y.data = env.pool.acquire(pass.grid.floats(out_size()));
    LinearCall call{source(Source::theta, step_.alpha), pass.grid, x.data.get(), y.data.get()};
    call.bias = step_.operands.empty() ? nullptr : step_.operands[0].data.data();
    std::vector<Moments> moments;
    if (env.batch_statistics && normalised_) call.moments = &moments;
    apply_linear(env, map_, call);
    if (!moments.empty()) y.moments = std::make_shared<const std::vector<Moments>>(std::move(moments));
    pass.f.put(step_.output, std::move(y));
  }

  void up(Env& env, Walk& walk) override {
    const Value x = walk.take(env, step_.inputs[0]);
    const bool squared = walk.net != Net::h;
    const Scalar c = coefficient(walk.net);
    if (!squared && box_.groups > 0 && weights_.density(step_.param) == 1.0)
      return walk.values.put(step_.output, box_sum(env, walk.grid, x, c));
    walk.values.put(step_.output,
                    apply(env, map_, source(squared ? Source::theta_squared : Source::mask, c.mantissa),
                          walk.grid, x, c.exp - weight_exp(squared)));
    if (squared) input_ = x;
  }

  void down(Env& env, Walk& walk, GradientStore& gradients) override {
    const Scalar c = coefficient(walk.net);
    const int exp = c.exp - weight_exp(true);
    for (int column = 0; column < walk.columns; ++column) {
      Value d = walk.take_up_lazy(column, step_.output);
      if (d.zero()) continue;
      if (!by_channel(d)) d = settle(env, walk.grid, out_size(), std::move(d));
      const float* factors = d.affine ? d.affine->scale.data() : nullptr;
      if (!input_.zero()) {
        const int k = std::clamp(lift(d.max) + lift(input_.max), -126,
                                 126);  // both factors near 1, so that long sums stay in range
        const int grad_exp = d.exp + input_.exp + exp - k;
        GradientCall call{source(Source::mask, 1.0f), walk.grid, input_.data.get(), d.data.get(),
                          c.mantissa * pow2(k),       factors};
        double total = 0.0;
        if (column == 0) {
          call.factor *= gradients.admit(env, step_.param, grad_exp);
          call.gradient = gradients.values(step_.param);
        } else {
          call.total = &total;
        }
        add_weight_gradient(env, map_, call);
        if (column == 1) gradients.add_total(total, grad_exp + 2 * weights_.shift(step_.param));
      }
      if (plan_.input != step_.inputs[0]) {
        WeightSource w = source(Source::theta_squared, c.mantissa);
        w.in_factor = factors;
        walk.add_up(env, column, step_.inputs[0], apply(env, adjoint_, w, walk.grid, d, exp));
      }
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
  // h while every weight is there: the same number for all output channels of a group.
  LinearMap box_map() const {
    LinearMap box = map_;
    const bool channels_first = map_.out_channel_stride == map_.positions;
    if (!channels_first || map_.out_channels < 2) box.groups = 0;
    box.out_channels = 1;
    box.out_elements = box.groups * box.positions;
    return box;
  }
  Value box_sum(Env& env, Grid grid, const Value& x, Scalar c) const {
    Value y;
    y.data = env.pool.acquire(grid.floats(box_.out_elements));
    const int k = lift(x.max);
    LinearCall call{source(Source::mask, c.mantissa), grid, x.data.get(), y.data.get()};
    call.scale = pow2(k);
    call.box = true;
    call.max = &y.max;
    apply_linear(env, box_, call);
    y.exp = x.exp + c.exp - k;
    y.repeat = map_.out_channels;
    y.plane = map_.positions;
    return y;
  }

  // Is what is left to do on d one factor per output channel?
  bool by_channel(const Value& d) const {
    if (!d.lazy()) return d.factor == 1.0f;
    return d.affine && !d.plus && d.repeat == 1 && d.factor == 1.0f && d.affine->center.empty() &&
           d.affine->shift.empty() && map_.out_channel_stride == map_.positions &&
           d.affine->segment == map_.positions &&
           d.affine->scale.size() == static_cast<size_t>(map_.groups) * map_.out_channels;
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
  LinearMap box_;            // without groups: not to be used
  bool normalised_ = false;  // a batch norm reads the output
  Value input_;              // of g or j, kept for the weight gradient
};

}  // namespace

StepPtr make_linear(const Plan& plan, const PlanStep& step, const Weights& weights) {
  return std::make_unique<Linear>(plan, step, weights);
}

}  // namespace px
