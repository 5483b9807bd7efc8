// Formulas: passes.h. Counters are uint32: the caller has no more alive scores than they hold.
#include "passes.h"

#include "words.h"

namespace px::select {
namespace {

template <class F>
void for_words(const Tensor& t, size_t from, size_t to, F f) {
  for_words(t.scores, t.alive, from, to, f);
}

template <class F>
void for_bits(uint64_t word, F f) {
  for (; word != 0; word &= word - 1) f(lowest_bit(word));
}

}  // namespace

void count_high(const Tensor& tensor, size_t from, size_t to, uint32_t* counts) {
  uint32_t* turns = counts + kBuckets;
  static_assert(kTurns == 2, "the loops below take two turns");
  for_words(tensor, from, to, [&](const float* scores, uint64_t live, size_t, size_t) {
    if (live == ~uint64_t{0}) {
      for (size_t i = 0; i < kWord; i += 2) {
        ++counts[score_bits(scores + i) >> 16];
        ++turns[score_bits(scores + i + 1) >> 16];
      }
    } else {
      for_bits(live, [&](int i) { ++counts[score_bits(scores + i) >> 16]; });
    }
  });
}

void count_low(const Tensor& tensor, size_t from, size_t to, uint32_t high, uint32_t* counts) {
  for_words(tensor, from, to, [&](const float* scores, uint64_t live, size_t, size_t) {
    for_bits(where(scores, InBucket{high}) & live,
             [&](int i) { ++counts[(i & 1) * kBuckets + (score_bits(scores + i) & 0xffff)]; });
  });
}

size_t count_negative_zeros(const Tensor& tensor, size_t from, size_t to) {
  size_t count = 0;
  for_words(tensor, from, to, [&](const float* scores, uint64_t live, size_t, size_t) {
    for_bits(live, [&](int i) { count += score_bits(scores + i) == ~kMagnitude; });
  });
  return count;
}

Kept keep_at_least(const Tensor& tensor, size_t from, size_t to, uint32_t limit) {
  Kept sum;
  for_words(tensor, from, to, [&](const float* scores, uint64_t live, size_t first, size_t left) {
    const uint64_t keep = where(scores, AtLeast{limit}) & live;
    if (keep == 0) return;
    sum.weights += count_bits(keep);
    sum.ties += count_bits(where(scores, EqualTo{limit}) & keep);
    store_mask(tensor.kept, first, left, load_mask(tensor.kept, first, left) | keep);
  });
  return sum;
}

void drop_ties(const Tensor& tensor, size_t from, size_t to, uint32_t limit, size_t ties) {
  for_words(tensor, from, to, [&](const float* scores, uint64_t live, size_t first, size_t left) {
    uint64_t drop = where(scores, EqualTo{limit}) & live;
    for (; drop != 0 && ties > 0; --ties) drop &= drop - 1;
    if (drop != 0) store_mask(tensor.kept, first, left, load_mask(tensor.kept, first, left) & ~drop);
  });
}

size_t count_alive(const Tensor& tensor) {
  size_t count = 0;
  for (size_t i = 0; i < tensor.size; i += kWord)
    count += count_bits(load_mask(tensor.alive, i, tensor.size - i));
  return count;
}

}  // namespace px::select
