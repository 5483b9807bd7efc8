// Exact global top-k over tensors of scores, by radix select on the bits of non-negative float32: as unsigned integers those bits
// have the order of the floats they stand for.
//
//   kept = { the k alive weights with the largest scores, ties to the lower (tensor, flat index) }
//
// The plain definition is src/prune/radix.ts with src/prune/select-plainly.ts. With a floor, each tensor's min(floor, alive) best are
// kept first and the rest of k is the top of what remains. -0 is 0.
//
// One pass counts the upper 16 bits, one the lower 16 bits within the bucket that holds the threshold, one writes the masks; where
// ties at the threshold do not all fit, those too many are taken out again. Counts are sums of integers and pieces are cut by sizes:
// threads change nothing.
#pragma once
#include <vector>

#include "../engine/threads.h"
#include "passes.h"

namespace px::select {

// Sets the bits of `kept`, all 0 before. False, and `kept` void, where there is no such selection (k or the floor ask for more than there
// is), where an alive score is NaN, infinite or negative, where there are more than 2^32 - 1 weights, and where scores or masks
// changed meanwhile. Throws Error(ERR_ABORTED) once `threads` are told to abort.
bool top_k(const std::vector<Tensor>& tensors, uint64_t k, uint64_t floor, Threads& threads);

// No more than `wanted`, and no more than have something to do.
int useful_threads(const std::vector<Tensor>& tensors, int wanted);

}  // namespace px::select
