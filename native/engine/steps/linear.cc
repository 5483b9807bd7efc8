// Linear steps: f with θ·m and bias, h with m, g and j with θ²·m; the adjoint is the map with its ends exchanged.
#include "../lazy.h"
#include "../linear/apply.h"
#include "../linear/grad.h"
#include "../linear/total.h"
#include "../step.h"
#include "../weights.h"

namespace px {
namespace {

class Linear final : public StepExec {
 public:
  Linear(const Plan& plan, const PlanStep& step, const Weights& weights)
      : StepExec(plan, step), weights_(weights), plain_(step, nullptr, nullptr) {
    const PlanStep* next = reader(step.output);
    if (next && next->op == Op::batch_norm) next = reader(next->output);
    if (next && next->op == Op::add && keeps_halo(plan, *next)) next = reader(next->output);
    gated_ =
        next && next->op == Op::activation && static_cast<Activation>(next->function) == Activation::relu;
    for (const auto& s : plan.steps)
      normalised_ = normalised_ || (s.op == Op::batch_norm && s.inputs[0] == step.output);
  }

  void f(Env& env, DataPass& pass) override {
    const Maps& maps = this->maps(env, pass.grid);
    Value x = pass.take_laid(env, step_.inputs[0], step_.inputs[0]);
    if (!keep_blocks(env, maps, pass.grid, x)) x = settle(env, pass.grid, in_size(), std::move(x));
    LinearCall call{source(Source::theta, step_.alpha),
                    pass.grid,
                    {{x.data.get(), nullptr, 1.0f, nullptr, x.blocks.get()}}};
    Value y = place(env, maps.forward, call, x);
    call.tensors[0].y = y.data.get();
    call.bias = step_.operands.empty() ? nullptr : step_.operands[0].data.data();
    std::vector<Moments> moments;
    if (env.batch_statistics && normalised_) call.moments = &moments;
    apply_linear(env, maps.forward, call);
    if (!moments.empty()) y.moments = std::make_shared<const std::vector<Moments>>(std::move(moments));
    pass.f.put(step_.output, std::move(y));
  }

  void up(Env& env, Walk& walk) override {
    const bool squared = walk.net != Net::h;
    const Scalar c = coefficient(walk.net);
    const Maps& maps = this->maps(env, walk.grid);
    Value x = walk.take_laid(env, step_.inputs[0], step_.inputs[0]);
    if (squared || boxed(maps) || !keep_blocks(env, maps, walk.grid, x))
      x = settle(env, walk.grid, in_size(), std::move(x));
    if (!squared && boxed(maps)) {
      walk.values.put(step_.output, box_sum(env, maps, walk.grid, x, c));
    } else {
      const WeightSource w = source(squared ? Source::theta_squared : Source::mask, c.mantissa);
      const int exp = squared ? c.exp - weight_exp(true) : c.exp;
      const bool wait = gated_ && !x.zero() && walk.net != Net::g && takes_epilogue(maps.forward, walk.grid);
      walk.values.put(step_.output, wait ? pending(env, maps.forward, w, walk.grid, x, exp)
                                         : apply(env, maps.forward, w, walk.grid, {&x}, exp)[0]);
    }
    if (squared) input_ = x;
  }

  void down(Env& env, Walk& walk, GradientStore& gradients) override {
    Value d[2];
    for (int column = 0; column < walk.columns; ++column) {
      d[column] = walk.take_up_laid(env, column, step_.output);
      if (!d[column].zero() && !by_channel(maps(env, walk.grid), d[column]))
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
  // The step as a map, between values that lie in one way or another.
  struct Maps {
    LinearMap forward, adjoint;
    LinearMap box;  // h while every weight is there; without groups: not to be used

    Maps(const PlanStep& step, const Halo* in, const Halo* out)
        : forward(LinearMap::forward(step, in, out)), adjoint(forward.adjoint()), box(forward) {
      if (!channels_first() || forward.out_channels < 2) box.groups = 0;
      box.out_channels = 1;
      box.out_elements = box.groups * plane();
    }
    // Elements of an output channel.
    size_t plane() const { return forward.out_halo ? forward.out_halo->channel : forward.positions; }
    bool channels_first() const { return forward.out_channel_stride == plane(); }
  };
  const Maps& maps(const Env& env, Grid grid) {
    const Halo *in = env.halo(step_.inputs[0], grid), *out = env.halo(step_.output, grid);
    if (!in && !out) return plain_;
    if (!laid_) laid_ = std::make_unique<const Maps>(step_, in, out);
    return *laid_;
  }
  static bool keep_blocks(const Env& env, const Maps& maps, Grid grid, const Value& x) {
    return x.blocks && x.blocks->enough_for(env.threads.count()) && takes_blocks(maps.forward, grid);
  }
  bool boxed(const Maps& maps) const { return maps.box.groups > 0 && weights_.density(step_.param) == 1.0; }
  // Every surviving weight being 1.
  Value ones(Env& env, Grid grid, const Value& x, Scalar c) {
    const Maps& maps = this->maps(env, grid);
    if (boxed(maps)) return box_sum(env, maps, grid, x, c);
    return apply(env, maps.forward, source(Source::mask, c.mantissa), grid, {&x}, c.exp)[0];
  }
  Value box_sum(Env& env, const Maps& maps, Grid grid, const Value& x, Scalar c) const {
    const LinearMap& box = maps.box;
    Value y;
    y.halo = box.out_halo;
    y.data = env.pool.acquire_behind(lead_floats(y.halo, grid.lanes), grid.floats(box.out_elements));
    const int k = lift(x.max);
    LinearCall call{source(Source::mask, c.mantissa), grid, {{x.data.get(), y.data.get(), pow2(k), &y.max}}};
    call.box = true;
    apply_linear(env, box, call);
    y.exp = x.exp + c.exp - k;
    y.repeat = maps.forward.out_channels;
    y.plane = maps.plane();
    return y;
  }

  // The weight gradient, of the upstream that decides about the scores.
  void gradient(Env& env, const Walk& walk, const Value& d, GradientStore& gradients) {
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
    const auto admission =
        gradients.admit(env, step_.param, d.exp + input_.exp + c.exp - weight_exp(true) - k);
    call.factor *= admission.factor;
    call.first = admission.first;
    call.gradient = gradients.values(step_.param);
    add_weight_gradient(env, maps(env, walk.grid).forward, call);
  }

  // The sum of all surviving weights' gradients, of the upstream of ones: with each surviving weight 1 the step is linear in them
  // together, so that it is d · (m * x).
  void total(Env& env, const Walk& walk, const Value& d, GradientStore& gradients) {
    const Scalar c = coefficient(walk.net);
    const LinearMap& map = plain_.forward;  // a single sample has no gaps
    if (!boxed(plain_) && suits_total(map, walk.grid)) {
      const GradientCall call{source(Source::mask, 1.0f),
                              walk.grid,
                              input_.data.get(),
                              d.data.get(),
                              c.mantissa,
                              factors(d),
                              nullptr};
      return gradients.add_total(surviving_total(env, map, call), input_.exp + d.exp + c.exp);
    }
    const Value y = ones(env, walk.grid, input_, {1.0f, 0});
    const size_t channels = static_cast<size_t>(map.groups) * map.out_channels, n = out_size();
    const size_t run = plain_.channels_first() ? map.positions : n, runs = n / run;
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
  void back(Env& env, Walk& walk, std::initializer_list<int> columns, const Value* d) {
    const Scalar c = coefficient(walk.net);
    WeightSource w = source(Source::theta_squared, c.mantissa);
    w.in_factor = factors(d[*columns.begin()]);
    std::vector<const Value*> xs;
    for (int column : columns) xs.push_back(&d[column]);
    std::vector<Value> ys =
        apply(env, maps(env, walk.grid).adjoint, w, walk.grid, xs, c.exp - weight_exp(true));
    for (size_t i = 0; i < ys.size(); ++i)
      walk.add_up(env, columns.begin()[i], step_.inputs[0], std::move(ys[i]));
  }

  static const float* factors(const Value& d) { return d.affine ? d.affine->scale.data() : nullptr; }
  static bool same_factors(const Value& a, const Value& b) {
    return a.affine && b.affine ? a.affine->scale == b.affine->scale : !a.affine && !b.affine;
  }

  // Is what is left to do on d one factor per output channel?
  static bool by_channel(const Maps& maps, const Value& d) {
    if (!d.lazy()) return d.factor == 1.0f;
    return d.affine && !d.plus && d.repeat == 1 && d.factor == 1.0f && d.affine->center.empty() &&
           d.affine->shift.empty() && maps.channels_first() && d.affine->segment == maps.plane() &&
           d.affine->scale.size() == static_cast<size_t>(maps.forward.groups) * maps.forward.out_channels;
  }

  Scalar coefficient(Net net) const {
    const double a = std::fabs(static_cast<double>(step_.alpha));
    return split(net == Net::j ? a * a : a);
  }
  // (θ·2^s)² stands for θ², which is 2^-2s of it.
  int weight_exp(bool squared) const { return squared ? 2 * weights_.shift(step_.param) : 0; }

  // The same, to be done together with what its reader does to it.
  Value pending(const Env& env, const LinearMap& map, const WeightSource& w, Grid grid, Value x,
                int exp) const {
    Value v;
    v.halo = map.out_halo;
    v.splits = gives_blocks(env, map, grid);
    v.exp = x.exp + exp - lift(x.max);
    // A bound: so many products, each at most 1.
    v.max = static_cast<float>(map.in_channels) * static_cast<float>(map.taps);
    v.pending = std::make_shared<const std::function<Value(Env&, const Epilogue*)>>(
        [=, &map](Env& env, const Epilogue* e) {
          return e && e->by_block ? by_block(env, map, w, grid, x, exp, *e)
                                  : apply(env, map, w, grid, {&x}, exp, e)[0];
        });
    return v;
  }
  static Value by_block(Env& env, const LinearMap& map, const WeightSource& w, Grid grid, const Value& x,
                        int exp, const Epilogue& e) {
    const int k = lift(x.max);
    Value y;
    y.halo = map.out_halo;
    y.exp = x.exp + exp - k;
    LinearCall call{w, grid, {{x.data.get(), nullptr, pow2(k), nullptr, x.blocks.get()}}};
    call.epilogue = &e;
    Blocks blocks = *linear_blocks(env, map, call);
    if (x.data) blocks.source = &x.data;
    y.blocks = std::make_shared<const Blocks>(std::move(blocks));
    return y;
  }

  // Where outputs go: over what is added to them, or over what the blocks they are made from are made of, if nobody wants that any more.
  // Memory just read need not come from afar once more to be written.
  static Value place(Env& env, const LinearMap& map, LinearCall& call, const Value& x) {
    const Epilogue* const e = call.epilogue;
    const Buffer* const plus = e && e->plus ? &e->plus->data : nullptr;
    const Buffer* source = x.blocks ? x.blocks->source : nullptr;
    if (source && !(map.in_elements == map.out_elements && alike(x.halo, map.out_halo))) source = nullptr;
    const bool same = plus && source && plus->get() == source->get();
    Value y;
    y.halo = map.out_halo;
    if (plus && plus->holders() == (same ? 2 : 1) && stores_once(env, map, call))
      y.data = *plus;
    else if (source && !same && source->unshared())
      y.data = *source;
    call.clean = static_cast<bool>(y.data);
    return y.data ? y : empty(env, call.grid, map.out_elements, map.out_halo);
  }

  std::vector<Value> apply(Env& env, const LinearMap& map, const WeightSource& w, Grid grid,
                           const std::vector<const Value*>& xs, int exp,
                           const Epilogue* epilogue = nullptr) const {
    std::vector<Value> ys(xs.size());
    LinearCall call{w, grid, std::vector<LinearCall::Tensor>(xs.size())};
    call.epilogue = epilogue;
    for (size_t i = 0; i < xs.size(); ++i) {
      const int k = lift(xs[i]->max);
      ys[i] = place(env, map, call, *xs[i]);
      ys[i].exp = xs[i]->exp + exp - k;
      call.tensors[i] = {xs[i]->data.get(), ys[i].data.get(), pow2(k), &ys[i].max, xs[i]->blocks.get()};
    }
    apply_linear(env, map, call);
    return ys;
  }

  const Weights& weights_;
  const Maps plain_;
  std::unique_ptr<const Maps> laid_;  // between values with gaps, once met
  bool normalised_ = false;           // a batch norm reads the output
  bool gated_;                        // a ReLU does, behind a normalisation or a sum at most
  Value input_;                       // of g or j, kept for the weight gradient
};

}  // namespace

StepPtr make_linear(const Plan& plan, const PlanStep& step, const Weights& weights) {
  return std::make_unique<Linear>(plan, step, weights);
}

}  // namespace px
