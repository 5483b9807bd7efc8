// The weight gradient where samples do not fill the lanes (g): neighbouring input channels do, and all weights are computed.
#pragma once
#include "grad.h"

namespace px {

// Is it the better way for this map? Surviving weights cost least where most lanes hold samples (grad.cc).
bool suits_single(const LinearMap& map, Grid grid);

// As add_weight_gradient.
void add_single_gradient(Env& env, const LinearMap& map, const GradientCall& call);

}  // namespace px
