// Scores and masks, 64 at a time: the loops of every pass of the selection (top_k.h).
//
// A score is looked at as the bits of its float32, and a mask as words of 64 bits, weight i of a word being bit i. Words without an
// alive weight are passed over, so that a pass over a pruned network reads its masks and little else.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "../bits.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace px::select {

constexpr size_t kWord = 64;
constexpr uint32_t kMagnitude = 0x7fffffff;

inline uint32_t score_bits(const float* score) {
  uint32_t bits;
  memcpy(&bits, score, sizeof bits);
  return bits;
}

// Of the weights of a mask from `first` on, at most 64 and `left` of them: those behind the end are 0.
inline uint64_t load_mask(const uint8_t* mask, size_t first, size_t left) {
  uint64_t word = 0;
  memcpy(&word, mask + first / 8, left >= kWord ? 8 : (left + 7) / 8);
  word = in_byte_order(word);
  return left >= kWord ? word : word & low_bits(left);
}

inline void store_mask(uint8_t* mask, size_t first, size_t left, uint64_t word) {
  word = in_byte_order(word);
  memcpy(mask + first / 8, &word, left >= kWord ? 8 : (left + 7) / 8);
}

// Calls f(scores of 64 weights, which of them are alive, index of the first, how many there are up to `to`) for each word of
// [from, to) that has one alive. `from` is a multiple of 64; the scores of an incomplete word come as a copy, filled up with 0.
template <class F>
void for_words(const float* scores, const uint8_t* alive, size_t from, size_t to, F f) {
  size_t i = from;
  for (; i + kWord <= to; i += kWord)
    if (const uint64_t live = load_mask(alive, i, kWord)) f(scores + i, live, i, kWord);
  if (i == to) return;
  const size_t left = to - i;
  float rest[kWord] = {};
  memcpy(rest, scores + i, left * sizeof(float));
  if (const uint64_t live = load_mask(alive, i, left)) f(rest, live, i, left);
}

// Which of 64 scores pass a test of their magnitude's bits (the sign bit cleared: the one negative score allowed is -0, and it is 0).
template <class Test>
uint64_t where(const float* scores, const Test& test) {
  uint64_t word = 0;
#if defined(__SSE2__)
  const __m128i magnitude = _mm_set1_epi32(kMagnitude);
  const auto four = [&](size_t i) {
    return test(_mm_and_si128(_mm_loadu_si128(reinterpret_cast<const __m128i*>(scores + i)), magnitude));
  };
  for (size_t i = 0; i < kWord; i += 16) {
    const __m128i bytes =
        _mm_packs_epi16(_mm_packs_epi32(four(i), four(i + 4)), _mm_packs_epi32(four(i + 8), four(i + 12)));
    word |= static_cast<uint64_t>(_mm_movemask_epi8(bytes)) << i;
  }
#else
  for (size_t i = 0; i < kWord; ++i)
    word |= static_cast<uint64_t>(test(score_bits(scores + i) & kMagnitude)) << i;
#endif
  return word;
}

// Magnitudes have 31 bits: signed comparisons, the only ones SSE2 has, order them right.
struct AtLeast {
  uint32_t limit;
#if defined(__SSE2__)
  __m128i operator()(__m128i x) const {
    return _mm_cmpgt_epi32(x, _mm_set1_epi32(static_cast<int>(limit) - 1));
  }
#endif
  bool operator()(uint32_t x) const { return x >= limit; }
};

struct EqualTo {
  uint32_t value;
#if defined(__SSE2__)
  __m128i operator()(__m128i x) const { return _mm_cmpeq_epi32(x, _mm_set1_epi32(static_cast<int>(value))); }
#endif
  bool operator()(uint32_t x) const { return x == value; }
};

struct InBucket {
  uint32_t high;  // the upper 16 bits
#if defined(__SSE2__)
  __m128i operator()(__m128i x) const {
    return _mm_cmpeq_epi32(_mm_srli_epi32(x, 16), _mm_set1_epi32(static_cast<int>(high)));
  }
#endif
  bool operator()(uint32_t x) const { return x >> 16 == high; }
};

}  // namespace px::select
