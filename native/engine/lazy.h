// Values whose arithmetic is left to their reader (value.h): evaluated piece by piece, where the reader wants the numbers anyway.
#pragma once
#include "walk.h"

namespace px {

// Floats a reader evaluates at a time: f, its companion and what they become stay in L1. A multiple of every lane count.
constexpr size_t kPiece = 2048;

// Floats [lo, hi) of the tensor, at most kPiece of them, into out (which may be the value's own data at lo, if nothing is repeated).
void evaluate(const Env& env, Grid grid, size_t elements, const Value& v, size_t lo, size_t hi, float* out);

// The same tensor with nothing left to do, in its own buffer where nobody else holds that.
Value settle(Env& env, Grid grid, size_t elements, Value v);

// a + b, to be evaluated by the reader. Both share the grid and shape, and neither is a sum.
Value lazy_sum(Value a, Value b);

// fn(lo, hi) for pieces of at most kPiece floats of [lo, hi).
template <typename Fn>
void for_pieces(size_t lo, size_t hi, Fn fn) {
  for (; lo < hi; lo += kPiece) fn(lo, std::min(hi, lo + kPiece));
}

}  // namespace px
