// Learned scales and constant addends: f as is, h 1, g and j scale².
#include "norm_common.h"

namespace px {
namespace {

class Affine final : public FactorStep {
 public:
  Affine(const Plan& plan, const PlanStep& step) : FactorStep(plan, step) {
    size_t next = 0;
    if (step.present & 1) scale_ = Segments::of(step.operands[next++], out_shape());
    if (step.present & 2) shift_ = Segments::of(step.operands[next], out_shape());
  }

  void f(Env& env, DataPass& pass) override {
    Value x = pass.take(env, step_.inputs[0]);
    if (!scale_.values.empty() && scale_.segment == shift_.segment && scale_.period() == shift_.period()) {
      x = affine_f(env, pass.grid, out_size(), std::move(x),
                   {{}, scale_.values, shift_.values, scale_.segment});
    } else {
      if (!scale_.values.empty())
        x = affine_f(env, pass.grid, out_size(), std::move(x), {{}, scale_.values, {}, scale_.segment});
      if (!shift_.values.empty())
        x = affine_f(env, pass.grid, out_size(), std::move(x), {{}, {}, shift_.values, shift_.segment});
    }
    pass.f.put(step_.output, std::move(x));
  }

 private:
  Factors factors(const Env&, Net, const Halo*) const override {
    std::vector<double> squares{1.0};
    if (!scale_.values.empty()) {
      squares.clear();
      for (float v : scale_.values) squares.push_back(static_cast<double>(v) * v);
    }
    return Factors::of(squares, scale_.values.empty() ? out_size() : scale_.segment);
  }

  Segments scale_, shift_;
};

}  // namespace

StepPtr make_affine(const Plan& plan, const PlanStep& step) { return std::make_unique<Affine>(plan, step); }

}  // namespace px
