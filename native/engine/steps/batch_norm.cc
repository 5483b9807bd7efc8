// BatchNorm: f affine with the micro-batch's (or the stored) statistics, h 1, g and j s² = γ²/(σ² + ε). j uses its own micro-batch's
// variance, g the sample-weighted mean over all of them.
#include "../linear/moments.h"
#include "norm_common.h"

namespace px {
namespace {

constexpr double kFarthest = 1e30;  // beyond, or where γ is 0, the mean is the center

class BatchNorm final : public FactorStep {
 public:
  BatchNorm(const Plan& plan, const PlanStep& step)
      : FactorStep(plan, step),
        gamma_(step.operands[0].data),
        beta_(step.operands[1].data),
        stored_mean_(step.operands[2].data),
        stored_variance_(step.operands[3].data),
        channels_(gamma_.size()),
        inner_(out_size() / std::max<size_t>(1, channels_)) {}

  void begin_round() override {
    pooled_.assign(channels_, 0.0);
    samples_ = 0;
  }

  // What is left to the reader is scale*(x - mean) + shift: its one pass does the normalisation too.
  void f(Env& env, DataPass& pass) override {
    Value x = pass.take_laid(env, step_.inputs[0], step_.output);
    mean_.assign(stored_mean_.begin(), stored_mean_.end());
    variance_.assign(stored_variance_.begin(), stored_variance_.end());
    if (!x.moments || x.lazy()) x = settle(env, pass.grid, out_size(), std::move(x));
    if (env.batch_statistics) measure(env, pass.grid, x);
    auto a = std::make_shared<ChannelAffine>();
    a->segment = segment(x.halo);
    for (size_t c = 0; c < channels_; ++c) {
      const double s = gamma_[c] / std::sqrt(variance_[c] + step_.epsilon);
      // Centred where the result is 0, with the rounding of that place in the shift: there x - center is exact, so that the gate
      // behind decides by x alone and no rounding of this step flips it.
      const double zero = mean_[c] - beta_[c] / s;
      a->center.push_back(static_cast<float>(std::fabs(zero) < kFarthest ? zero : mean_[c]));
      a->scale.push_back(static_cast<float>(s));
      a->shift.push_back(static_cast<float>(beta_[c] - (mean_[c] - a->center[c]) * s));
    }
    x.affine = std::move(a);
    x.moments = nullptr;
    if (readers(step_.output) > 1) x = settle(env, pass.grid, out_size(), std::move(x));
    pass.f.put(step_.output, std::move(x));
  }

 private:
  void measure(Env& env, Grid grid, const Value& x) {
    const size_t lanes = grid.lanes;
    env.threads.run(x.moments ? 1 : channels_, [&](size_t task) {
      if (x.moments) {
        for (size_t c = 0; c < channels_; ++c) keep(c, (*x.moments)[c]);
        return;
      }
      Moments total;
      const Rows rows = x.halo ? Rows{x.halo->rows, x.halo->cols, x.halo->row * lanes} : Rows{1, inner_, 0};
      for (int block = 0; block < grid.blocks; ++block)
        add_moments(env.kernels,
                    x.data.get() + (static_cast<size_t>(block) * channels_ + task) * segment(x.halo) * lanes,
                    0, 1, rows, grid.lanes, grid.filled(block), &total);
      keep(task, total);
    });
    for (size_t c = 0; c < channels_; ++c) pooled_[c] += variance_[c] * grid.samples;
    samples_ += grid.samples;
  }

  void keep(size_t c, const Moments& m) {
    mean_[c] = m.mean;
    variance_[c] = m.m2 / m.n;
  }

  // Elements of a channel.
  size_t segment(const Halo* halo) const { return halo ? halo->channel : inner_; }

  Factors factors(const Env& env, Net net, const Halo* halo) const override {
    std::vector<double> squares(channels_);
    for (size_t c = 0; c < channels_; ++c) {
      const double variance = !env.batch_statistics ? stored_variance_[c]
                              : net == Net::g       ? pooled_[c] / samples_
                                                    : variance_[c];
      squares[c] = static_cast<double>(gamma_[c]) * gamma_[c] / (variance + step_.epsilon);
    }
    return Factors::of(squares, segment(halo));
  }

  const std::vector<float>&gamma_, &beta_, &stored_mean_, &stored_variance_;
  size_t channels_, inner_;
  std::vector<double> mean_, variance_;  // of the current micro-batch
  std::vector<double> pooled_;           // variance summed over samples so far
  int samples_ = 0;
};

}  // namespace

StepPtr make_batch_norm(const Plan& plan, const PlanStep& step) {
  return std::make_unique<BatchNorm>(plan, step);
}

}  // namespace px
