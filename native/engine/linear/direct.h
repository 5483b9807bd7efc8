// Dense layers with few samples: each weight is used for so few vectors that a list of survivors would cost more than it saves.
#pragma once
#include "apply.h"

namespace px {

bool suits_direct(const LinearMap& map, const LinearCall& call);
void apply_direct(Env& env, const LinearMap& map, const LinearCall& call);

}  // namespace px
