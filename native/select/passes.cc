// Formulas: passes.h. Counters are uint32: the caller has no more alive scores than they hold.
#include "passes.h"

#include "words.h"

namespace px::select {
namespace {

template <class F>
void for_words(const Tensor& t, size_t from, size_t to, F f) {
  for_words(t.scores, t.alive, from, to, f);
}

// Alive weights of 64 from which on to look at all 64 is cheaper.
constexpr uint32_t kMany = 16;

template <class F>
void for_bits(uint64_t word, F f) {
  for (; word != 0; word &= word - 1) f(lowest_bit(word));
}

}  // namespace

// Where many of a word are alive, each score adds its bit of the mask: a loop over the bits would end where no processor foresees it.
// Eight in a row, because a loop of one at a time took two to three times as long.
void count_high(const Tensor& tensor, size_t from, size_t to, uint32_t* counts) {
  for_words(tensor, from, to, [&](const float* scores, uint64_t live, size_t, size_t) {
    if (count_bits(live) >= kMany) {
      for (size_t i = 0; i < kWord; i += 8, live >>= 8)
        for (size_t j = 0; j < 8; ++j)
          counts[(j & 1) * kTurn + (score_bits(scores + i + j) >> 16)] += live >> j & 1;
    } else {
      for_bits(live, [&](int i) { ++counts[score_bits(scores + i) >> 16]; });
    }
  });
}

void count_low(const Tensor& tensor, size_t from, size_t to, uint32_t high, uint32_t* counts) {
  for_words(tensor, from, to, [&](const float* scores, uint64_t live, size_t, size_t) {
    for_bits(where(scores, InBucket{high}) & live,
             [&](int i) { ++counts[(i & 1) * kTurn + (score_bits(scores + i) & 0xffff)]; });
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
