// What the ways to a weight gradient share: units of work, each in parts whose sums are added in order.
#pragma once
#include "grad.h"

namespace px {

// What the products of an output channel are multiplied by.
inline double channel_factor(const GradientCall& call, size_t channel) {
  return static_cast<double>(call.factor) * (call.out_factor ? call.out_factor[channel] : 1.0f);
}

// compute(unit, part) makes a part's sums; store(unit, first of its parts) adds them up and deposits them.
template <typename Compute, typename Store>
void run_units(Env& env, size_t units, size_t parts, Compute compute, Store store) {
  if (parts == 1)
    return env.threads.run(units, [&](size_t u) {
      const auto sums = compute(u, size_t{0});
      store(u, &sums);
    });
  std::vector<decltype(compute(size_t{0}, size_t{0}))> found(units * parts);
  env.threads.run(units * parts, [&](size_t t) { found[t] = compute(t / parts, t % parts); });
  env.threads.run(units, [&](size_t u) { store(u, found.data() + u * parts); });
}

}  // namespace px
