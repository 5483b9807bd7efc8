// The weight gradient of a linear step at surviving weights:  G[w] += factor * sum over samples and positions of d[out] * x[in].
#pragma once
#include "lists.h"

namespace px {

struct GradientCall {
  WeightSource weight;  // which survive
  Grid grid;
  const float* x;
  const float* d;
  float factor;
  const float* out_factor =
      nullptr;                // per output channel of the tensor, or null: d is to be multiplied by it
  float* gradient = nullptr;  // out: the parameter's stored layout, added to; each element by one task
  bool first = false;         // or, of all its elements, replaced: by 0 where no weight survives
};

void add_weight_gradient(Env& env, const LinearMap& map, const GradientCall& call);

}  // namespace px
