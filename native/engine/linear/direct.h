// Dense layers with few samples: each weight is used for so few vectors that a list of survivors would cost more than it saves.
#pragma once
#include "apply.h"
#include "grad.h"

namespace px {

bool suits_direct(const LinearMap& map, Grid grid);
void apply_direct(Env& env, const LinearMap& map, const LinearCall& call);
void add_direct_gradient(Env& env, const LinearMap& map, const GradientCall& call);

}  // namespace px
