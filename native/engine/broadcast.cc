#include "broadcast.h"

#include <string.h>

namespace px {

Broadcast::Broadcast(const std::vector<uint32_t>& in, const std::vector<uint32_t>& out) {
  const size_t lead = out.size() - in.size();
  for (uint32_t d : in) elements_ *= d;
  size_t total = 1;
  for (uint32_t d : out) total *= d;
  same_ = elements_ == total;
  size_t stride = elements_;
  for (size_t i = 0; i < out.size(); ++i) {
    const size_t d = i < lead ? 1 : in[i - lead];
    stride /= d;
    const std::pair<size_t, size_t> dim{out[i], d == 1 ? 0 : stride};
    if (out[i] == 1) continue;
    // Axes that are both spread, or both stepped through in one go, are one.
    if (!dims_.empty() &&
        (dims_.back().second == 0 ? dim.second == 0 : dims_.back().second == dim.first * dim.second)) {
      dims_.back() = {dims_.back().first * dim.first, dim.second};
    } else {
      dims_.push_back(dim);
    }
  }
}

// n times the same lanes.
static void repeat(const float* from, size_t lanes, size_t n, float* to) {
  float copy[16];  // not to be read again after each store
  if (lanes != 8 && lanes != 16) {
    for (; n > 0; --n, to += lanes) memcpy(to, from, lanes * sizeof(float));
    return;
  }
  memcpy(copy, from, lanes * sizeof(float));
  for (; n > 0; --n, to += lanes) {
    memcpy(to, copy, 8 * sizeof(float));
    if (lanes == 16) memcpy(to + 8, copy + 8, 8 * sizeof(float));
  }
}

Buffer spread(Env& env, Grid grid, const Broadcast& b, size_t out_elements, const Buffer& x) {
  if (b.same()) return x;
  Buffer y = env.pool.acquire(grid.floats(out_elements));
  const size_t lanes = grid.lanes;
  for_ranges(env.threads, grid.blocks * out_elements, kGrainFloats / lanes,
             [&](size_t lo, size_t hi, size_t) {
               for (size_t i = lo; i < hi;) {
                 const size_t block = i / out_elements, n = std::min(hi - i, b.run() - i % b.run());
                 repeat(x.get() + (block * b.elements() + b.at(i % out_elements)) * lanes, lanes, n,
                        y.get() + i * lanes);
                 i += n;
               }
             });
  return y;
}

Value gathered(Env& env, Grid grid, const Broadcast& b, size_t out_elements, Value d) {
  if (b.same()) return d;
  const size_t n = grid.floats(b.elements()), lanes = grid.lanes;
  const int k = lift(d.max);
  const float scale = pow2(k);
  Value y;
  y.exp = d.exp - k;
  y.data = env.pool.acquire(n);
  SharedMax max;
  env.threads.run(grid.blocks, [&](size_t block) {
    float* out = y.data.get() + block * b.elements() * lanes;
    memset(out, 0, b.elements() * lanes * sizeof(float));
    const float* in = d.data.get() + block * out_elements * lanes;
    for (size_t e = 0; e < out_elements; ++e) {
      float* to = out + b.at(e) * lanes;
      for (size_t l = 0; l < lanes; ++l) to[l] += scale * in[e * lanes + l];
    }
    max.add(env.kernels.largest(out, b.elements() * lanes));
  });
  y.max = max.get();
  return y;
}

}  // namespace px
