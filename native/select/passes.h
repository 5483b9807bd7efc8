// The passes of the selection over a piece [from, to) of one tensor; `from` is a multiple of 64. All of them look at alive scores only
// and write nothing outside the arrays, whatever those hold and even if they change meanwhile.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace px::select {

constexpr size_t kBuckets = 1 << 16;
// Counters in two turns: one that every score meets (all of them equal, say) would wait for itself. The second turn starts a cache line
// late, because processors tell a load from the stores before it by the lower 12 bits of their addresses.
constexpr size_t kTurn = kBuckets + 16;
constexpr size_t kCounters = 2 * kTurn;

struct Tensor {
  const float* scores;  // [size]
  const uint8_t*
      alive;  // [ceil(size / 8)], weight j is bit j % 8 of byte j / 8; what follows the last weight is not looked at
  size_t size;
  uint8_t* kept;  // [ceil(size / 8)]
};

// counts[turn * kTurn + (bits >> 16)] += 1 for every alive score, its sign bit included.
void count_high(const Tensor& tensor, size_t from, size_t to, uint32_t* counts);

// counts[turn * kTurn + (bits & 0xffff)] += 1 for every alive score whose upper 16 bits are `high`, its sign bit cleared.
void count_low(const Tensor& tensor, size_t from, size_t to, uint32_t high, uint32_t* counts);

// How many alive scores are -0.
size_t count_negative_zeros(const Tensor& tensor, size_t from, size_t to);

struct Kept {
  size_t weights = 0;  // magnitude >= limit
  size_t ties = 0;     // of these, == limit
};

// kept |= alive and magnitude >= limit.
Kept keep_at_least(const Tensor& tensor, size_t from, size_t to, uint32_t limit);

// Takes all alive scores of magnitude == limit but the first `ties` out of `kept`.
void drop_ties(const Tensor& tensor, size_t from, size_t to, uint32_t limit, size_t ties);

// Number of alive weights.
size_t count_alive(const Tensor& tensor);

}  // namespace px::select
