// Reshape keeps the elements where they are and costs nothing; transpose moves whole lane vectors.
#include <string.h>

#include "../step.h"

namespace px {
namespace {

class View final : public StepExec {
 public:
  View(const Plan& plan, const PlanStep& step) : StepExec(plan, step) {
    if (step.op == Op::reshape) return;
    const size_t rank = step.ints.size();
    const auto &in = in_shape(), &out = out_shape();
    std::vector<size_t> in_strides(rank, 1);
    for (size_t a = rank; a-- > 1;) in_strides[a - 1] = in_strides[a] * in[a];
    from_.resize(out_size());
    for (size_t e = 0; e < from_.size(); ++e) {
      size_t rest = e, at = 0;
      for (size_t a = rank; a-- > 0;) {
        at += rest % out[a] * in_strides[step.ints[a]];
        rest /= out[a];
      }
      from_[e] = static_cast<uint32_t>(at);
    }
  }

  void f(Env& env, DataPass& pass) override {
    pass.f.put(step_.output, moved(env, pass.grid, pass.take(env, step_.inputs[0]), true));
  }

  void up(Env& env, Walk& walk) override {
    walk.values.put(step_.output, moved(env, walk.grid, walk.take(env, step_.inputs[0]), true));
  }

  void down(Env& env, Walk& walk, GradientStore&) override {
    for (int column = 0; column < walk.columns; ++column) {
      Value d = walk.take_up(env, column, step_.output);
      if (!d.zero()) walk.add_up(env, column, step_.inputs[0], moved(env, walk.grid, std::move(d), false));
    }
  }

 private:
  Value moved(Env& env, Grid grid, Value x, bool forward) const {
    if (from_.empty()) return x;
    const size_t n = from_.size(), lanes = grid.lanes;
    Value y = x;
    y.data = env.pool.acquire(grid.floats(n));
    for_ranges(env.threads, grid.blocks * n, kGrainFloats / lanes, [&](size_t lo, size_t hi, size_t) {
      for (size_t i = lo; i < hi; ++i) {
        const size_t base = i / n * n, e = i % n;
        const size_t to = base + (forward ? e : from_[e]), from = base + (forward ? from_[e] : e);
        memcpy(y.data.get() + to * lanes, x.data.get() + from * lanes, lanes * sizeof(float));
      }
    });
    return y;
  }

  std::vector<uint32_t> from_;  // transpose: input element of each output element
};

}  // namespace

StepPtr make_view(const Plan& plan, const PlanStep& step) { return std::make_unique<View>(plan, step); }

}  // namespace px
