#include "layout.h"

namespace px {

void pack_samples(Env& env, Grid grid, size_t elements, const float* x, float* out) {
  const size_t lanes = grid.lanes;
  for_ranges(env.threads, grid.blocks * elements, kGrainFloats / lanes, [&](size_t lo, size_t hi, size_t) {
    for (size_t i = lo; i < hi; ++i) {
      const size_t block = i / elements, e = i % elements;
      const int filled = grid.filled(static_cast<int>(block));
      for (int l = 0; l < grid.lanes; ++l)
        out[i * lanes + l] = x[(block * lanes + std::min(l, filled - 1)) * elements + e];
    }
  });
}

void unpack_samples(Env& env, Grid grid, size_t elements, const float* in, float* y) {
  const size_t lanes = grid.lanes;
  for_ranges(env.threads, static_cast<size_t>(grid.samples),
             std::max<size_t>(1, kGrainFloats / std::max<size_t>(1, elements)),
             [&](size_t lo, size_t hi, size_t) {
               for (size_t s = lo; s < hi; ++s)
                 for (size_t e = 0; e < elements; ++e)
                   y[s * elements + e] = in[(s / lanes * elements + e) * lanes + s % lanes];
             });
}

Value squared_input(Env& env, Grid grid, size_t elements, const Value& x) {
  const size_t lanes = grid.lanes, n = grid.floats(elements);
  const int k = lift(env.kernels.largest(x.data.get(), n));
  const float scale = pow2(k);
  Value y;
  y.exp = -2 * k;
  y.data = env.pool.acquire(n);
  SharedMax max;
  for_ranges(env.threads, grid.blocks * elements, kGrainFloats / lanes, [&](size_t lo, size_t hi, size_t) {
    float top = 0.0f;
    for (size_t i = lo; i < hi; ++i) {
      const int filled = grid.filled(static_cast<int>(i / elements));
      for (int l = 0; l < grid.lanes; ++l) {
        const float v = l < filled ? scale * x.data.get()[i * lanes + l] : 0.0f;
        y.data.get()[i * lanes + l] = v * v;
        top = std::max(top, v * v);
      }
    }
    max.add(top);
  });
  y.max = max.get();
  return y;
}

Value constant(Env& env, Grid grid, size_t elements, float v) {
  const size_t n = grid.floats(elements);
  Value y;
  y.data = env.pool.acquire(n);
  std::fill(y.data.get(), y.data.get() + n, v);
  y.max = v;
  return y;
}

bool all_finite(Env& env, const float* x, size_t n) {
  std::atomic<bool> finite{true};
  for_ranges(env.threads, n, kGrainFloats, [&](size_t lo, size_t hi, size_t) {
    bool ok = true;
    for (size_t i = lo; i < hi; ++i) ok = ok && std::isfinite(x[i]);
    if (!ok) finite = false;
  });
  return finite;
}

double sum_samples(Env& env, Grid grid, size_t elements, const Value& x) {
  const size_t lanes = grid.lanes, all = grid.blocks * elements, grain = kGrainFloats / lanes;
  std::vector<double> parts((all + grain - 1) / grain, 0.0);
  for_ranges(env.threads, all, grain, [&](size_t lo, size_t hi, size_t t) {
    for (size_t i = lo; i < hi; ++i)
      for (int l = 0; l < grid.filled(static_cast<int>(i / elements)); ++l)
        parts[t] += x.data.get()[i * lanes + l];
  });
  double sum = 0.0;
  for (double p : parts) sum += p;
  return sum;
}

}  // namespace px
