// a_i = a_i * m + c for kChains vectors, over and over. Targets are attributes of the functions, so that no build flag is needed.
#include "peak.h"

#include <string.h>

namespace px {

static constexpr int kChains = 12;

#if defined(__GNUC__) || defined(__clang__)
#define PX_PEAK_LOOP(name, bytes)                                                       \
  static void name(size_t rounds, float* sink) {                                        \
    typedef float part __attribute__((vector_size(bytes)));                             \
    part a[kChains], m = part{} + 0.999f, c = part{} + 0.001f;                          \
    for (int i = 0; i < kChains; ++i) a[i] = part{} + 1.0f / static_cast<float>(i + 1); \
    for (size_t r = 0; r < rounds; ++r)                                                 \
      for (int i = 0; i < kChains; ++i) a[i] = a[i] * m + c;                            \
    float sum = 0.0f;                                                                   \
    for (int i = 0; i < kChains; ++i) sum += a[i][0];                                   \
    *sink = sum;                                                                        \
  }

PX_PEAK_LOOP(base_loop, 16)
#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) PX_PEAK_LOOP(avx2_loop, 32) __attribute__((target("avx512f,fma")))
PX_PEAK_LOOP(avx512_loop, 64)
#endif
    static constexpr int kBaseFloats = 4;
#else
static void base_loop(size_t rounds, float* sink) {
  float a[kChains];
  for (int i = 0; i < kChains; ++i) a[i] = 1.0f / static_cast<float>(i + 1);
  for (size_t r = 0; r < rounds; ++r)
    for (int i = 0; i < kChains; ++i) a[i] = a[i] * 0.999f + 0.001f;
  *sink = 0.0f;
  for (int i = 0; i < kChains; ++i) *sink += a[i];
}
static constexpr int kBaseFloats = 1;
#endif

PeakLoop peak_loop(const char* isa) {
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
  if (strcmp(isa, "avx512") == 0) return {avx512_loop, 2.0 * 16 * kChains};
  if (strcmp(isa, "avx2") == 0) return {avx2_loop, 2.0 * 8 * kChains};
#endif
  (void)isa;
  return {base_loop, 2.0 * kBaseFloats * kChains};
}

}  // namespace px
