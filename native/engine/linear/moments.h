// Mean and variance gathered in pieces.
#pragma once
#include <vector>

#include "../walk.h"

namespace px {

// Mean and M2 of n numbers, merged pairwise (Chan, Golub and LeVeque).
struct Moments {
  double n = 0.0, mean = 0.0, m2 = 0.0;

  void merge(const Moments& o) {
    if (o.n == 0.0) return;
    const double delta = o.mean - mean, all = n + o.n;
    m2 += o.m2 + delta * delta * n * o.n / all;
    mean += delta * o.n / all;
    n = all;
  }

  // Vectors of the grid's lanes, of which the first `filled` hold samples.
  void add(const Kernels& kernels, const float* x, Rows all, int lanes, int filled) {
    constexpr size_t kChunk = 256;  // both sweeps in L1, and float32 sums stay short
    const size_t some = std::max<size_t>(1, kChunk / all.vectors);
    for (size_t r = 0; r < all.count; r += some)
      for (size_t at = 0; at < all.vectors; at += kChunk) {
        const Rows part{std::min(some, all.count - r), std::min(kChunk, all.vectors - at), all.step};
        Moments m;
        kernels.moments(x + r * all.step + at * lanes, part, lanes, filled, &m.mean, &m.m2);
        m.n = static_cast<double>(part.count * part.vectors) * filled;
        merge(m);
      }
  }
};

}  // namespace px
