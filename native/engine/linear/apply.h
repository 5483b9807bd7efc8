// y = scale * W x + bias for one tensor, W the map with weights made on the fly from values and mask.
#pragma once
#include "../walk.h"
#include "../weights.h"
#include "map.h"

namespace px {

// Where a linear step's weight comes from: the first of the two choices that describe a pass.
enum class Source { theta, mask, theta_squared };  // θ·m, m, (θ·2^shift)²·m

struct WeightSource {
  Source source;
  const float* values;
  const uint8_t* mask;
  float squared_scale;  // 2^shift
  float factor;         // multiplies every weight (alpha)

  float at(size_t i) const {
    if (!Weights::bit(mask, i)) return 0.0f;
    switch (source) {
      case Source::theta:
        return factor * values[i];
      case Source::mask:
        return factor;
      default:
        break;
    }
    const float v = values[i] * squared_scale;
    return factor * (v * v);
  }
};

// Packs channel block `block` of group g as the conv kernels want it: [tap][in channel][block width], zeros beyond the last channel.
void pack_block(const LinearMap& map, const WeightSource& w, int group, int first_row, int block_width,
                float* out);

// Largest entry of y into *max when it is given (h, g, j). x and y may not overlap.
void apply_linear(Env& env, const LinearMap& map, const WeightSource& w, Grid grid, const float* x, float* y,
                  const float* bias, float scale, float* max);

}  // namespace px
