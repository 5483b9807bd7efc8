#include "weights.h"

#include <string.h>

#include <algorithm>
#include <cmath>

#include "error.h"

namespace px {
namespace {

// In lanes: one running maximum would wait for itself at every weight, and hold the caller's thread for as long.
float largest_magnitude(const float* x, size_t n) {
  constexpr size_t kLanes = 16;
  float max[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (size_t l = 0; l < kLanes; ++l) {
      const float a = std::fabs(x[i + l]);
      max[l] = a > max[l] ? a : max[l];
    }
  for (; i < n; ++i) max[0] = std::max(max[0], std::fabs(x[i]));
  return *std::max_element(max, max + kLanes);
}

}  // namespace

Weights::Weights(const Plan& plan, std::vector<const float*> data) : data_(std::move(data)) {
  if (data_.size() != plan.params.size())
    throw Error("ERR_BACKEND", "one array of weights per parameter expected");
  for (size_t i = 0; i < data_.size(); ++i) {
    const size_t n = plan.params[i].size;
    masks_.emplace_back((n + 7) / 8 + sizeof(uint64_t), 0xff);
    shifts_.push_back(lift(largest_magnitude(data_[i], n)));
    densities_.push_back(1.0);
    sizes_.push_back(n);
  }
}

void Weights::set_mask(uint32_t param, const uint8_t* bits, size_t bytes) {
  if (param >= masks_.size() || bytes != (sizes_[param] + 7) / 8)
    throw Error("ERR_BACKEND", "a mask's length does not fit its parameter");
  memcpy(masks_[param].data(), bits, bytes);
  size_t kept = 0;
  for (size_t i = 0; i < sizes_[param]; i += kMaskSpan)
    kept += count_bits(mask_span(masks_[param].data(), i, std::min(kMaskSpan, sizes_[param] - i)));
  densities_[param] = static_cast<double>(kept) / static_cast<double>(sizes_[param]);
}

GradientStore::Admission GradientStore::admit(Env& env, uint32_t param, int exp) {
  Slot& s = slots_[param];
  if (!s.touched) {
    s.touched = true;
    s.exp = exp;
    return {1.0f, true};
  }
  if (exp > s.exp) {
    const float down = pow2(s.exp - exp);
    for_ranges(env.threads, plan_.params[param].size, kGrainFloats, [&](size_t lo, size_t hi, size_t) {
      env.kernels.scale(s.values + lo, s.values + lo, hi - lo, down);
    });
    s.exp = exp;
  }
  return {pow2(exp - s.exp), false};
}

}  // namespace px
