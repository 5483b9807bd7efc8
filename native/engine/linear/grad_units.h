// What the ways to a weight gradient share: units of work, each in parts whose sums are added in order.
#pragma once
#include "grad.h"

namespace px {

// What the products of an output channel are multiplied by.
inline double channel_factor(const GradientCall& call, size_t channel) {
  return static_cast<double>(call.factor) * (call.out_factor ? call.out_factor[channel] : 1.0f);
}

// Adds what one weight's gradient is to where it is wanted; returns it, for the total.
inline double deposit(const GradientCall& call, size_t place, double value) {
  if (call.gradient) call.gradient[place] += static_cast<float>(value);
  return value;
}

// compute(unit, part) makes a part's sums; store(unit, first of its parts) deposits them and returns their total.
template <typename Compute, typename Store>
void run_units(Env& env, const GradientCall& call, size_t units, size_t parts, Compute compute, Store store) {
  std::vector<double> totals(units, 0.0);
  if (parts == 1) {
    env.threads.run(units, [&](size_t u) {
      const auto sums = compute(u, size_t{0});
      totals[u] = store(u, &sums);
    });
  } else {
    std::vector<decltype(compute(size_t{0}, size_t{0}))> found(units * parts);
    env.threads.run(units * parts, [&](size_t t) { found[t] = compute(t / parts, t % parts); });
    env.threads.run(units, [&](size_t u) { totals[u] = store(u, found.data() + u * parts); });
  }
  if (call.total)
    for (double t : totals) *call.total += t;
}

}  // namespace px
