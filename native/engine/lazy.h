// Values whose arithmetic is left to their reader (value.h): evaluated piece by piece, where the reader wants the numbers anyway.
#pragma once
#include "walk.h"

namespace px {

// Floats a reader evaluates at a time: f, its companion and what they become stay in L1. A multiple of every lane count.
constexpr size_t kPiece = 2048;

// Floats [lo, hi) of the tensor, gaps included, at most kPiece of them, into out (which may be the value's own data at lo, if nothing is repeated).
void evaluate(const Env& env, Grid grid, size_t elements, const Value& v, size_t lo, size_t hi, float* out);

// What is left to do on v's data alone, channels that repeat aside; without a maximum.
AffineArgs affine_of(Grid grid, const Value& v, size_t lo, size_t hi, float* out);

// Whether evaluating it makes something of the zeros in its gaps.
bool fills_gaps(const Value& v);

// Where v's numbers go when they are evaluated: its own buffer where nobody else holds that.
Value empty_for(Env& env, Grid grid, size_t elements, const Value& v);

// The same with its data: what was pending is computed, as it would be without an epilogue, and blocks are made.
Value computed(Env& env, Grid grid, Value v);

// What is pending and all that is left to do on it, where `bits` says so, and 0 elsewhere; perhaps as Blocks.
Value gated_by(Env& env, Grid grid, size_t elements, Value v, Buffer bits, bool by_block);

// The same tensor with nothing left to do, in its own buffer where nobody else holds that.
Value settle(Env& env, Grid grid, size_t elements, Value v);

// The same without gaps, and with nothing left to do.
Value flat(Env& env, Grid grid, size_t elements, Value v);

// The same with those gaps (null: without); where it lay otherwise, nothing is left to do.
Value laid(Env& env, Grid grid, size_t elements, const Halo* halo, Value v);

// a + b, to be evaluated by the reader. Both share the grid, shape and gaps, and neither is a sum.
Value lazy_sum(Value a, Value b);

// fn(lo, hi) for pieces of at most kPiece floats of [lo, hi).
template <typename Fn>
void for_pieces(size_t lo, size_t hi, Fn fn) {
  for (; lo < hi; lo += kPiece) fn(lo, std::min(hi, lo + kPiece));
}

}  // namespace px
