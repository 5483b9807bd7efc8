// LayerNorm, GroupNorm, InstanceNorm: normalised over `inner` elements of each sample. With a² = 1/(σ² + ε) per sample and group:
// h times a²/mean(a²), g times γ²·mean(a²), j times both; under running statistics h times a², g times γ². mean(a²) is taken per
// layer (LayerNorm) or per group, over the samples of the micro-batch in h, sample-weighted over all of them in g.
#include "norm_common.h"

namespace px {
namespace {

class SampleNorm final : public StepExec {
 public:
  SampleNorm(const Plan& plan, const PlanStep& step) : StepExec(plan, step) {
    const auto& shape = out_shape();
    if (step.op == Op::layer_norm) {
      const std::vector<uint32_t> trailing(shape.end() - step.axis, shape.end());
      inner_ = 1;
      for (uint32_t d : trailing) inner_ *= d;
      outer_ = out_size() / inner_;
      statistics_ = 1;
      size_t next = 0;
      if (step.present & 1) gamma_ = Segments::of(step.operands[next++], trailing);
      if (step.present & 2) beta_ = Segments::of(step.operands[next], trailing);
    } else {
      outer_ = statistics_ = step.axis;
      inner_ = out_size() / outer_;
      const size_t channel = out_size() / shape[0];
      gamma_.values = step.operands[0].data;
      beta_.values = step.operands[1].data;
      gamma_.segment = beta_.segment = channel;
    }
    if (gamma_.values.empty()) gamma_ = {{1.0f}, out_size()};
    if (beta_.values.empty()) beta_ = {{0.0f}, out_size()};
  }

  void begin_round() override {
    pooled_.assign(statistics_, 0.0);
    samples_ = 0;
  }

  void f(Env& env, DataPass& pass) override {
    const Grid grid = pass.grid;
    const size_t lanes = grid.lanes;
    Value x = pass.take(env, step_.inputs[0]);
    Value y;
    y.data = x.data.unshared() ? x.data : env.pool.acquire(grid.floats(out_size()));
    inverse_.assign(grid.blocks * outer_ * lanes, 0.0f);
    env.threads.run(grid.blocks * outer_, [&](size_t t) {
      const size_t base = t * inner_ * lanes;
      float mean[16];
      measure(x.data.get() + base, lanes, mean, inverse_.data() + t * lanes);
      normalise(x.data.get() + base, y.data.get() + base, lanes, t % outer_ * inner_, mean,
                inverse_.data() + t * lanes);
    });
    pass.f.put(step_.output, std::move(y));
    pool(grid);
  }

  void up(Env& env, Walk& walk) override {
    walk.values.put(step_.output, factored(env, walk, walk.take(env, step_.inputs[0])));
    if (walk.net == Net::h) inverse_.clear();
  }

  void down(Env& env, Walk& walk, GradientStore&) override {
    for (int column = 0; column < walk.columns; ++column) {
      Value d = walk.take_up(env, column, step_.output);
      if (!d.zero()) walk.add_up(env, column, step_.inputs[0], factored(env, walk, std::move(d)));
    }
  }

  void drop_records() override { inverse_.clear(); }

 private:
  // Two sweeps, in double: the mean first, for the variance of large numbers.
  void measure(const float* x, size_t lanes, float* mean, float* inverse) const {
    double sum[16] = {0}, m2[16] = {0};
    for (size_t i = 0; i < inner_; ++i)
      for (size_t l = 0; l < lanes; ++l) sum[l] += x[i * lanes + l];
    for (size_t l = 0; l < lanes; ++l) sum[l] /= static_cast<double>(inner_);
    for (size_t i = 0; i < inner_; ++i)
      for (size_t l = 0; l < lanes; ++l) {
        const double d = x[i * lanes + l] - sum[l];
        m2[l] += d * d;
      }
    for (size_t l = 0; l < lanes; ++l) {
      mean[l] = static_cast<float>(sum[l]);
      inverse[l] = static_cast<float>(1.0 / (m2[l] / static_cast<double>(inner_) + step_.epsilon));
    }
  }

  // first: the group's place within the sample, for γ and β.
  void normalise(const float* x, float* y, size_t lanes, size_t first, const float* mean,
                 const float* inverse) const {
    float a[16];
    for (size_t l = 0; l < lanes; ++l) a[l] = std::sqrt(inverse[l]);
    for (size_t i = 0; i < inner_; ++i) {
      const float g = gamma_.values[(first + i) / gamma_.segment % gamma_.period()],
                  b = beta_.values[(first + i) / beta_.segment % beta_.period()];
      for (size_t l = 0; l < lanes; ++l) y[i * lanes + l] = (x[i * lanes + l] - mean[l]) * a[l] * g + b;
    }
  }

  void pool(Grid grid) {
    mean_.assign(statistics_, 0.0);
    for (int block = 0; block < grid.blocks; ++block)
      for (size_t o = 0; o < outer_; ++o)
        for (int l = 0; l < grid.filled(block); ++l)
          mean_[o % statistics_] += inverse_[(block * outer_ + o) * grid.lanes + l];
    const double per = static_cast<double>(grid.samples) * (outer_ / statistics_);
    for (size_t s = 0; s < statistics_; ++s) {
      mean_[s] /= per;
      pooled_[s] += mean_[s] * grid.samples;
    }
    samples_ += grid.samples;
  }

  // x times h's, g's or j's factor: the adjoint is the same.
  Value factored(Env& env, Walk& walk, Value x) const {
    const bool batch = env.batch_statistics, per_sample = walk.net != Net::g;
    const size_t lanes = walk.grid.lanes;
    std::vector<double> squares{1.0};
    size_t segment = out_size();
    if (walk.net != Net::h) {
      squares.clear();
      for (float g : gamma_.values) squares.push_back(static_cast<double>(g) * g);
      segment = gamma_.segment;
    }
    const Factors f = Factors::of(squares, segment);
    const int k = lift(x.max);
    const float scale = pow2(k);
    Value y;
    y.data = x.data.unshared() ? x.data : env.pool.acquire(walk.grid.floats(out_size()));
    y.exp = x.exp + f.exp - k;
    SharedMax max;
    env.threads.run(walk.grid.blocks * outer_, [&](size_t t) {
      const size_t o = t % outer_, base = t * inner_ * lanes;
      float a[16];
      for (size_t l = 0; l < lanes; ++l) {
        double v = per_sample ? inverse_[t * lanes + l] : 1.0;
        if (batch && walk.net == Net::h) v /= mean_[o % statistics_];
        if (batch && walk.net == Net::g) v *= pooled_[o % statistics_] / samples_;
        a[l] = static_cast<float>(v) * scale;
      }
      const float* in = x.data.get() + base;
      float* out = y.data.get() + base;
      float top = 0.0f;
      for (size_t i = 0; i < inner_; ++i) {
        const float g = f.values[(o * inner_ + i) / f.segment % f.values.size()];
        for (size_t l = 0; l < lanes; ++l) {
          const float v = in[i * lanes + l] * a[l] * g;
          top = v > top ? v : top;
          out[i * lanes + l] = v;
        }
      }
      max.add(top);
    });
    y.max = max.get();
    return y;
  }

  size_t outer_, inner_, statistics_;
  Segments gamma_, beta_;
  std::vector<float> inverse_;  // a² [block][outer][lane] of the current micro-batch
  std::vector<double> mean_;    // mean(a²) of the current micro-batch
  std::vector<double> pooled_;  // summed over samples so far
  int samples_ = 0;
};

}  // namespace

StepPtr make_sample_norm(const Plan& plan, const PlanStep& step) {
  return std::make_unique<SampleNorm>(plan, step);
}

}  // namespace px
