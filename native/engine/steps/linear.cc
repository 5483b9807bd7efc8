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
    LinearCall call{source(Source::theta, step_.alpha), pass.grid, {{x.data.get(), y.data.get()}}};
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
    if (!squared) return walk.values.put(step_.output, ones(env, walk.grid, x, c));
    const WeightSource w = source(Source::theta_squared, c.mantissa);
    walk.values.put(step_.output, apply(env, map_, w, walk.grid, {&x}, c.exp - weight_exp(true))[0]);
    input_ = x;
  }

  void down(Env& env, Walk& walk, GradientStore& gradients) override {
    Value d[2];
    for (int column = 0; column < walk.columns; ++column) {
      d[column] = walk.take_up_lazy(column, step_.output);
      if (!d[column].zero() && !by_channel(d[column]))
        d[column] = settle(env, walk.grid, out_size(), std::move(d[column]));
    }
    if (!input_.zero() && !d[0].zero()) gradient(env, walk, d[0], gradients);
    if (!input_.zero() && !d[1].zero()) total(env, walk, d[1], gradients);
    input_ = Value();
    if (plan_.input == step_.inputs[0]) return;
    const bool together = !d[0].zero() && !d[1].zero() && walk.grid.blocks == 1 && same_factors(d[0], d[1]);
    if (together) return back(env, walk, {0, 1}, d);
    for (int column : {0, 1})
      if (!d[column].zero()) back(env, walk, {column}, d);
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
  // Every surviving weight being 1.
  Value ones(Env& env, Grid grid, const Value& x, Scalar c) const {
    if (box_.groups > 0 && weights_.density(step_.param) == 1.0) return box_sum(env, grid, x, c);
    return apply(env, map_, source(Source::mask, c.mantissa), grid, {&x}, c.exp)[0];
  }
  Value box_sum(Env& env, Grid grid, const Value& x, Scalar c) const {
    Value y;
    y.data = env.pool.acquire(grid.floats(box_.out_elements));
    const int k = lift(x.max);
    LinearCall call{source(Source::mask, c.mantissa), grid, {{x.data.get(), y.data.get(), pow2(k), &y.max}}};
    call.box = true;
    apply_linear(env, box_, call);
    y.exp = x.exp + c.exp - k;
    y.repeat = map_.out_channels;
    y.plane = map_.positions;
    return y;
  }

  // The weight gradient, of the upstream that decides about the scores.
  void gradient(Env& env, const Walk& walk, const Value& d, GradientStore& gradients) const {
    const Scalar c = coefficient(walk.net);
    // Both factors near 1, so that long sums stay in range.
    const int k = std::clamp(lift(d.max) + lift(input_.max), -126, 126);
    GradientCall call{source(Source::mask, 1.0f),
                      walk.grid,
                      input_.data.get(),
                      d.data.get(),
                      c.mantissa * pow2(k),
                      factors(d),
                      nullptr};
    call.factor *= gradients.admit(env, step_.param, d.exp + input_.exp + c.exp - weight_exp(true) - k);
    call.gradient = gradients.values(step_.param);
    add_weight_gradient(env, map_, call);
  }

  // The sum of all surviving weights' gradients, of the upstream of ones: with each surviving weight 1 the step is linear in them
  // together, so that it is d · (m * x).
  void total(Env& env, const Walk& walk, const Value& d, GradientStore& gradients) const {
    const Scalar c = coefficient(walk.net);
    const Value y = ones(env, walk.grid, input_, {1.0f, 0});
    const size_t channels = static_cast<size_t>(map_.groups) * map_.out_channels, n = out_size();
    const bool by_channel = map_.out_channel_stride == map_.positions;
    const size_t run = by_channel ? map_.positions : n, runs = n / run;
    std::vector<double> sums(runs, 0.0);
    env.threads.run(runs, [&](size_t r) {
      const float *ds = d.data.get() + r * run, *ys = y.data.get() + r / y.repeat * run;
      double sum = 0.0;
      for (size_t i = 0; i < run; ++i) sum += static_cast<double>(ds[i]) * ys[i];
      sums[r] = runs == channels && factors(d) ? sum * factors(d)[r] : sum;
    });
    double all = 0.0;
    for (double sum : sums) all += sum;
    gradients.add_total(all * y.factor * c.mantissa, y.exp + d.exp + c.exp);
  }

  // The data gradient of one or both columns, whose lists are the same.
  void back(Env& env, Walk& walk, std::initializer_list<int> columns, const Value* d) const {
    const Scalar c = coefficient(walk.net);
    WeightSource w = source(Source::theta_squared, c.mantissa);
    w.in_factor = factors(d[*columns.begin()]);
    std::vector<const Value*> xs;
    for (int column : columns) xs.push_back(&d[column]);
    std::vector<Value> ys = apply(env, adjoint_, w, walk.grid, xs, c.exp - weight_exp(true));
    for (size_t i = 0; i < ys.size(); ++i)
      walk.add_up(env, columns.begin()[i], step_.inputs[0], std::move(ys[i]));
  }

  static const float* factors(const Value& d) { return d.affine ? d.affine->scale.data() : nullptr; }
  static bool same_factors(const Value& a, const Value& b) {
    return a.affine && b.affine ? a.affine->scale == b.affine->scale : !a.affine && !b.affine;
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

  std::vector<Value> apply(Env& env, const LinearMap& map, const WeightSource& w, Grid grid,
                           const std::vector<const Value*>& xs, int exp) const {
    std::vector<Value> ys(xs.size());
    LinearCall call{w, grid, {}};
    for (size_t i = 0; i < xs.size(); ++i) {
      const int k = lift(xs[i]->max);
      ys[i].data = env.pool.acquire(grid.floats(map.out_elements));
      ys[i].exp = xs[i]->exp + exp - k;
      call.tensors.push_back({xs[i]->data.get(), ys[i].data.get(), pow2(k), &ys[i].max});
    }
    apply_linear(env, map, call);
    return ys;
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
