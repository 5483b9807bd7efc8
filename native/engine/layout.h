// Between the caller's [sample][element] arrays and the passes' [block][element][lane].
#pragma once
#include "walk.h"

namespace px {

// Lanes beyond the last sample repeat it, so that f stays among numbers it could see.
void pack_samples(Env& env, Grid grid, size_t elements, const float* x, float* out);
void unpack_samples(Env& env, Grid grid, size_t elements, const float* lanes, float* y);
// x² of the real samples, normalised; zero in the lanes beyond them.
Value squared_input(Env& env, Grid grid, size_t elements, const Value& x);
Value constant(Env& env, Grid grid, size_t elements, float v);
bool all_finite(Env& env, const float* x, size_t n);
// Sum over elements and real samples of data (without its exponent), in a fixed order.
double sum_samples(Env& env, Grid grid, size_t elements, const Value& x);

}  // namespace px
