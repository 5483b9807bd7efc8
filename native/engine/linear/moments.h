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
};

// Adds vectors of the grid's lanes, of which the first `filled` hold samples, to the moments of some channels, which lie `channel` floats
// apart.
inline void add_moments(const Kernels& kernels, const float* x, size_t channel, int channels, Rows all,
                        int lanes, int filled, Moments* out) {
  constexpr size_t kChunk = 256;  // both sweeps of a channel in L1, and float32 sums stay short
  const size_t some = std::max<size_t>(1, kChunk / all.vectors);
  for (int c = 0; c < channels; c += kMomentChannels) {
    const int count = std::min(kMomentChannels, channels - c);
    for (size_t r = 0; r < all.count; r += some)
      for (size_t at = 0; at < all.vectors; at += kChunk) {
        const Rows part{std::min(some, all.count - r), std::min(kChunk, all.vectors - at), all.step};
        double mean[kMomentChannels], m2[kMomentChannels];
        const MomentsArgs a{x + c * channel + r * all.step + at * lanes,
                            static_cast<ptrdiff_t>(channel),
                            count,
                            part,
                            lanes,
                            filled,
                            mean,
                            m2};
        kernels.moments(&a);
        const double n = static_cast<double>(part.count * part.vectors) * filled;
        for (int k = 0; k < count; ++k) out[c + k].merge({n, mean[k], m2[k]});
      }
  }
}

}  // namespace px
