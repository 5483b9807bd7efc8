// Max pools and global maxima: h and j take the element f chose, g adds up the window.
#include "../axis_pass.h"
#include "../step.h"

namespace px {
namespace {

class Max final : public StepExec {
 public:
  Max(const Plan& plan, const PlanStep& step) : StepExec(plan, step) {
    for (AxisMap a : step.axes) {
      a.value.assign(a.index.size(), 1.0f);
      adjoints_.push_back(transposed(a));
      maps_.push_back(std::move(a));
    }
  }

  // The slow axis last, so that ties go to the first element in row-major order of the window.
  void forward(Env& env, DataPass& pass) override {
    const bool with = pass.scoring && signal();
    Value f = pass.take(env, step_.inputs[0]), c;
    if (with) c = pass.companion.take(env, step_.inputs[0]);
    std::vector<uint32_t> shape = in_shape();
    choices_.resize(maps_.size());
    for (size_t i = maps_.size(); i-- > 0;) {
      Chosen next =
          choose_axis(env, pass.grid, shape, maps_[i], std::move(f), std::move(c), with && pass.adjoint);
      f = std::move(next.f);
      c = std::move(next.companion);
      choices_[i] = std::move(next.choice);
    }
    pass.f.put(step_.output, std::move(f));
    if (with) pass.companion.values.put(step_.output, std::move(c));
  }

  void f(Env& env, DataPass& pass) override { forward(env, pass); }

  // g: every path counts.
  void up(Env& env, Walk& walk) override {
    Value x = walk.take(env, step_.inputs[0]);
    std::vector<uint32_t> shape = in_shape();
    walk.values.put(step_.output, summed(env, walk, shape, maps_, std::move(x)));
  }

  void down(Env& env, Walk& walk, GradientStore&) override {
    for (int column = 0; column < walk.columns; ++column) {
      Value d = walk.take_up(env, column, step_.output);
      if (d.zero()) continue;
      std::vector<uint32_t> shape = out_shape();
      if (walk.net == Net::g) {
        d = summed(env, walk, shape, adjoints_, std::move(d));
      } else {
        for (size_t i = 0; i < maps_.size(); ++i)
          d = unchoose_axis(env, walk.grid, shape, maps_[i], choices_[i], std::move(d));
      }
      walk.add_up(env, column, step_.inputs[0], std::move(d));
    }
    drop_records();
  }

  void drop_records() override { choices_.clear(); }

 private:
  static Value summed(Env& env, Walk& walk, std::vector<uint32_t>& shape, const std::vector<AxisMap>& maps,
                      Value x) {
    for (size_t i = 0; i < maps.size(); ++i) {
      const int k = i == 0 ? lift(x.max) : 0;
      const int exp = x.exp;
      x = apply_axis(env, walk.grid, shape, maps[i], std::move(x), pow2(k), 0.0f, true);
      x.exp = exp - k;
    }
    return x;
  }

  std::vector<AxisMap> maps_, adjoints_;
  std::vector<Buffer> choices_;  // per axis, j only
};

}  // namespace

StepPtr make_max(const Plan& plan, const PlanStep& step) { return std::make_unique<Max>(plan, step); }

}  // namespace px
