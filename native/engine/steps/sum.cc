// Sums of signals: f with signs, h, g and j without. A product of two signals in the tail is a product in f and a sum elsewhere.
#include "../broadcast.h"
#include "../lazy.h"
#include "../step.h"

namespace px {
namespace {

class Sum final : public StepExec {
 public:
  Sum(const Plan& plan, const PlanStep& step) : StepExec(plan, step) {
    for (size_t i = 0; i < step.inputs.size(); ++i) maps_.emplace_back(in_shape(i), out_shape());
    const PlanStep* next = reader(step.output);
    pair_ = step.op == Op::add && maps_.size() == 2 && maps_[0].same() && maps_[1].same() &&
            step.ints[0] > 0 && step.ints[1] > 0;
    left_to_reader_ = pair_ && next && next->op == Op::activation;
  }

  void f(Env& env, DataPass& pass) override {
    if (pair_) return pass.f.put(step_.output, sum(env, pass.grid, pass.f));
    const size_t n = pass.grid.floats(out_size());
    std::vector<Buffer> parts;
    for (size_t i = 0; i < maps_.size(); ++i) {
      Buffer x = pass.take(env, step_.inputs[i]).data;
      parts.push_back(spread(env, pass.grid, maps_[i], out_size(), x));
    }
    Value y;
    y.data = parts[0].unshared() ? parts[0] : env.pool.acquire(n);
    for_ranges(env.threads, n, kGrainFloats, [&](size_t lo, size_t hi, size_t) {
      float* out = y.data.get() + lo;
      if (step_.op == Op::tail_product) {
        for (size_t i = 0; i < hi - lo; ++i) {
          const float a = parts[0].get()[lo + i], b = parts[1].get()[lo + i];
          out[i] = step_.flag ? a / b : a * b;
        }
        return;
      }
      if (out != parts[0].get() + lo || step_.ints[0] < 0)
        env.kernels.scale(parts[0].get() + lo, out, hi - lo, static_cast<float>(step_.ints[0]));
      for (size_t i = 1; i < parts.size(); ++i)
        env.kernels.axpby(parts[i].get() + lo, static_cast<float>(step_.ints[i]), out, 1.0f, hi - lo);
    });
    pass.f.put(step_.output, std::move(y));
  }

  void up(Env& env, Walk& walk) override {
    if (pair_) return walk.values.put(step_.output, sum(env, walk.grid, walk.values));
    Value total;
    for (size_t i = 0; i < maps_.size(); ++i) {
      Value x = walk.take(env, step_.inputs[i]);
      x.data = spread(env, walk.grid, maps_[i], out_size(), x.data);
      total = i == 0 ? std::move(x) : aligned_sum(env, walk.grid, out_size(), std::move(total), std::move(x));
    }
    walk.values.put(step_.output, std::move(total));
  }

  void down(Env& env, Walk& walk, GradientStore&) override {
    for (int column = 0; column < walk.columns; ++column) {
      const Value d = pair_ ? settle(env, walk.grid, out_size(), walk.take_up_laid(env, column, step_.output))
                            : walk.take_up(env, column, step_.output);
      if (d.zero()) continue;
      for (size_t i = 0; i < maps_.size(); ++i)
        walk.add_up(env, column, step_.inputs[i], gathered(env, walk.grid, maps_[i], out_size(), d));
    }
  }

 private:
  // Two tensors of one shape, in one pass together with what was left to do on each; the activation behind them makes that pass, if
  // there is one.
  Value sum(Env& env, Grid grid, Tensors& tensors) const {
    Value part[2];
    for (int i = 0; i < 2; ++i) {
      part[i] = laid(env, grid, out_size(), env.halo(step_.output, grid), tensors.take_lazy(step_.inputs[i]));
      if (part[i].plus) part[i] = settle(env, grid, out_size(), std::move(part[i]));
    }
    // What is pending comes first, as it takes the other along; else the result may go where the first lies.
    if (part[0].pending)
      part[1] = computed(env, grid, std::move(part[1]));
    else if (part[1].pending || !part[0].data.unshared() || part[0].repeat > 1)
      std::swap(part[0], part[1]);
    Value total = lazy_sum(std::move(part[0]), std::move(part[1]));
    return left_to_reader_ ? total : settle(env, grid, out_size(), std::move(total));
  }

  bool pair_, left_to_reader_;
  std::vector<Broadcast> maps_;
};

}  // namespace

StepPtr make_sum(const Plan& plan, const PlanStep& step) { return std::make_unique<Sum>(plan, step); }

}  // namespace px
