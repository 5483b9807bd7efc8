// Memory safety of a Plan: what no kernel tests again.
#pragma once
#include "plan.h"

namespace px {

size_t checked_product(size_t a, size_t b);  // throws Error(ERR_BACKEND) beyond 2^40
void check_plan(const Plan& plan);           // throws Error(ERR_BACKEND) naming the step

}  // namespace px
