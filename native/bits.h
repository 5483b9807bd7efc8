// Words of bits: masks are sequences of bytes, bit i of byte b being weight 8b + i, whatever the machine's byte order.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

namespace px {

inline uint64_t in_byte_order(uint64_t word) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  return __builtin_bswap64(word);
#else
  return word;
#endif
}

// The lowest n bits set, n below 64.
inline uint64_t low_bits(size_t n) { return (uint64_t{1} << n) - 1; }
inline int lowest_bit(uint64_t word) { return __builtin_ctzll(word); }
inline uint32_t count_bits(uint64_t word) { return static_cast<uint32_t>(__builtin_popcountll(word)); }

// Bits [first, first + n) of a mask with eight spare bytes behind it, n at most kMaskSpan.
constexpr size_t kMaskSpan = 56;
inline uint64_t mask_span(const uint8_t* mask, size_t first, size_t n) {
  uint64_t word;
  memcpy(&word, mask + first / 8, sizeof word);
  return (in_byte_order(word) >> first % 8) & low_bits(n);
}

// fn(i) for each bit i that is set, lowest first.
template <class Fn>
inline void for_bits(uint64_t word, Fn fn) {
  for (; word != 0; word &= word - 1) fn(static_cast<size_t>(lowest_bit(word)));
}

}  // namespace px
