#include "time_step.h"

#include <chrono>

#include "../cpu/peak.h"
#include "error.h"
#include "layout.h"
#include "lazy.h"
#include "weights.h"

namespace px {
namespace {

using Clock = std::chrono::steady_clock;

// Seconds that fn takes.
template <typename Fn>
double timed(Fn fn) {
  const auto start = Clock::now();
  fn();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

class StepTimer {
 public:
  StepTimer(Env& env, const Weights& weights, const StepTiming& timing)
      : env_(env),
        weights_(weights),
        timing_(timing),
        plan_step_(env.plan.steps.back()),
        input_(plan_step_.inputs[0]),
        output_(plan_step_.output),
        grid_(Grid::of(timing.samples, env.kernels.lanes)),
        step_(make_step(env.plan, plan_step_, weights)),
        x_(load(timing.x, input_)),
        d_(backward() ? load(timing.d, output_) : Value()) {}

  // One execution; its result goes to `out` where it is the last.
  double run(bool last) {
    switch (timing_.part) {
      case StepPart::f:
        return forward(last);
      case StepPart::h:
      case StepPart::j:
        return up(last);
      default:
        return down(last);
    }
  }

 private:
  bool backward() const {
    return timing_.part == StepPart::data_gradient || timing_.part == StepPart::weight_gradient;
  }
  size_t elements(uint32_t value) const { return env_.plan.values[value].size; }
  std::vector<int> one_reader_each() const { return std::vector<int>(env_.plan.values.size(), 1); }

  // As a round has it. Lanes beyond the last sample are zero, as they are in h, g and j.
  Value load(const float* x, uint32_t value) {
    const size_t n = elements(value), lanes = grid_.lanes;
    Value v;
    v.data = env_.pool.acquire(grid_.floats(n));
    pack_samples(env_, grid_, n, x, v.data.get());
    const int last = grid_.blocks - 1;
    float* block = v.data.get() + last * n * lanes;
    for (size_t e = 0; e < n; ++e)
      std::fill(block + e * lanes + grid_.filled(last), block + (e + 1) * lanes, 0.0f);
    v.max = env_.kernels.largest(v.data.get(), grid_.floats(n));
    return laid(env_, grid_, n, env_.halo(value, grid_), std::move(v));
  }

  double forward(bool last) {
    DataPass pass;
    pass.grid = grid_;
    pass.scoring = false;
    pass.f.reset(one_reader_each());
    pass.f.put(input_, x_);
    const double seconds = timed([&] { step_->f(env_, pass); });
    if (last) store(pass.take(env_, output_), output_);
    return seconds;
  }

  double up(bool last) {
    Walk walk = walk_of(timing_.part == StepPart::h ? Net::h : Net::j);
    const double seconds = timed([&] { step_->up(env_, walk); });
    if (last) store(walk.take(env_, output_), output_);
    return seconds;
  }

  double down(bool last) {
    const bool weights = timing_.part == StepPart::weight_gradient;
    Walk walk = walk_of(Net::j);
    // Without its input from the way forward, a step has no weight gradient to compute.
    if (weights) step_->up(env_, walk);
    walk.up[0].assign(env_.plan.values.size(), Value());
    walk.up[0][output_] = d_;
    GradientStore gradients(env_.plan, {timing_.out});
    const double seconds = timed([&] { step_->down(env_, walk, gradients); });
    if (last && !weights) store(walk.take_up(env_, 0, input_), input_);
    if (last && weights) store(gradients);
    return seconds;
  }

  Walk walk_of(Net net) {
    Walk walk;
    walk.net = net;
    walk.grid = grid_;
    walk.values.reset(one_reader_each());
    walk.values.put(input_, x_);
    return walk;
  }

  void store(Value v, uint32_t value) {
    const size_t n = elements(value);
    v = flat(env_, grid_, n, std::move(v));
    if (v.data) {
      unpack_samples(env_, grid_, n, v.data.get(), timing_.out);
      scale_out(n * timing_.samples, v.exp);
    }
  }
  void store(GradientStore& gradients) {
    if (!gradients.touched(0)) return;
    // Gathered for (θ·2^shift)², wanted for θ².
    scale_out(env_.plan.params[0].size, gradients.exponent(0) + 2 * weights_.shift(0));
  }
  void scale_out(size_t n, int exp) {
    for (size_t i = 0; i < n; ++i) timing_.out[i] = std::ldexp(timing_.out[i], exp);
  }

  Env& env_;
  const Weights& weights_;
  const StepTiming& timing_;
  const PlanStep& plan_step_;
  const uint32_t input_, output_;
  const Grid grid_;
  StepPtr step_;
  const Value x_, d_;  // held here, so that no step writes into them
};

}  // namespace

void time_step(const Plan& plan, const float* weights, const uint8_t* mask, size_t mask_bytes,
               const StepTiming& timing, Threads& threads) {
  if (plan.steps.empty() || plan.params.size() != 1 || plan.steps.back().kind != Kind::linear)
    throw Error("ERR_OPTION", "a plan with one parameter expected, whose last step is linear");
  Weights store(plan, {weights});
  store.set_mask(0, mask, mask_bytes);
  BufferPool pool;
  ScratchPool scratch;
  const Halos halos(plan, {plan.steps.back().inputs[0], plan.steps.back().output});
  Env env{plan, pick_kernels(timing.isa_limit), threads, pool, scratch, halos, false};
  StepTimer timer(env, store, timing);
  timer.run(false);
  for (size_t i = 0; i < timing.repeats; ++i) timing.seconds[i] = timer.run(i + 1 == timing.repeats);
}

double measure_peak(Threads& threads, const char* isa_limit) {
  constexpr int kTrials = 30;
  constexpr size_t kRounds = 1 << 18;  // some milliseconds
  const PeakLoop loop = peak_loop(pick_kernels(isa_limit).isa);
  std::vector<float> sinks(threads.count());
  double best = 0.0;
  for (int i = 0; i < kTrials; ++i) {
    const double seconds =
        timed([&] { threads.run(sinks.size(), [&](size_t t) { loop.run(kRounds, &sinks[t]); }); });
    best = std::max(best, loop.flop * kRounds * static_cast<double>(sinks.size()) / seconds);
  }
  return best;
}

}  // namespace px
