// The sum of all surviving weights' gradients for one sample. The step is linear in its weights together, so that it is
// d · (m * x): the upstream times what weights of 1 make of the input.
#pragma once
#include "grad.h"

namespace px {

// Where masks can be read in words and many output channels share an input; dense layers have a way of their own.
bool suits_total(const LinearMap& map, Grid grid);
// Σ factor * d[out] * x[in] over surviving weights and positions; nothing is written to call.gradient.
double surviving_total(Env& env, const LinearMap& map, const GradientCall& call);

}  // namespace px
