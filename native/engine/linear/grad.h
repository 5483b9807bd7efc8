// The weight gradient of a linear step:  G[w] += factor * sum over samples and positions of d[out] * x[in].
#pragma once
#include "../walk.h"
#include "map.h"

namespace px {

// gradient: the parameter's stored layout; each of its elements is written by one task.
void add_weight_gradient(Env& env, const LinearMap& map, Grid grid, const float* x, const float* d,
                         float factor, float* gradient);

}  // namespace px
