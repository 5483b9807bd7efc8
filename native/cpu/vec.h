// A vector of kVecFloats floats, the lanes: in registers of PX_VEC_BYTES (64 for AVX-512, 32 for AVX, 16 for SSE and NEON).
// Compilers split a vector wider than the target's registers through memory, so a wider one is spelled out as several; without
// vector extensions the parts are arrays for the auto-vectoriser. Included inside an instruction set's namespace (isa_*.cc).

#if defined(__GNUC__) || defined(__clang__)
#define PX_NOT_INLINE __attribute__((noinline))
#else
#define PX_NOT_INLINE
#endif

static constexpr int kVecFloats = PX_LANES;
static constexpr int kPartFloats = PX_VEC_BYTES / 4;

#if defined(__GNUC__) || defined(__clang__)
typedef float part __attribute__((vector_size(PX_VEC_BYTES), aligned(4), may_alias));
static inline part part_max(part a, part b) { return a > b ? a : b; }
// e^x for x in [-87, 88] (beyond, as at the end), to two units in the last place: 2^n by the exponent's bits, and the rest, at most
// ln(2)/2, by its series.
static inline part part_exp(part x) {
  typedef int32_t part_int __attribute__((vector_size(PX_VEC_BYTES), aligned(4), may_alias));
  const part lo = x * 0 + -87.0f, hi = x * 0 + 88.0f;
  const part c = x < lo ? lo : x > hi ? hi : x;
  const part shifted = c * 1.44269504f + 12582912.0f;  // rounds to the nearest whole number
  const part n = shifted - 12582912.0f;
  const part r = c - n * 0.693359375f - n * -2.12194440e-4f;
  part p = r * 1.98412698e-4f + 1.38888889e-3f;
  p = p * r + 8.33333333e-3f;
  p = p * r + 4.16666667e-2f;
  p = p * r + 1.66666667e-1f;
  p = p * r + 0.5f;
  p = p * r * r + r + 1.0f;
  const part_int power = (__builtin_convertvector(n, part_int) + 127) << 23;
  return p * (part)power;
}
// a > b ? yes : no
static inline part part_where_above(part a, part b, part yes, part no) { return a > b ? yes : no; }
static inline part part_multiply_add(part a, part b, part c) {
#if PX_VEC_BYTES == 64
  return (part)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif PX_VEC_BYTES == 32
  return (part)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
  return a * b + c;
#endif
}
#else
struct part {
  float f[kPartFloats];
};
static inline part operator+(part a, part b) {
  for (int i = 0; i < kPartFloats; ++i) a.f[i] += b.f[i];
  return a;
}
static inline part operator*(part a, part b) {
  for (int i = 0; i < kPartFloats; ++i) a.f[i] *= b.f[i];
  return a;
}
static inline part operator-(part a, part b) {
  for (int i = 0; i < kPartFloats; ++i) a.f[i] -= b.f[i];
  return a;
}
static inline part operator/(part a, part b) {
  for (int i = 0; i < kPartFloats; ++i) a.f[i] /= b.f[i];
  return a;
}
static inline part part_multiply_add(part a, part b, part c) { return a * b + c; }
static inline part part_exp(part a) {
  for (int i = 0; i < kPartFloats; ++i) a.f[i] = expf(a.f[i]);
  return a;
}
static inline part part_max(part a, part b) {
  for (int i = 0; i < kPartFloats; ++i) a.f[i] = a.f[i] > b.f[i] ? a.f[i] : b.f[i];
  return a;
}
static inline part part_where_above(part a, part b, part yes, part no) {
  for (int i = 0; i < kPartFloats; ++i) a.f[i] = a.f[i] > b.f[i] ? yes.f[i] : no.f[i];
  return a;
}
#endif

struct vec {
  static constexpr int kParts = kVecFloats / kPartFloats;
  part parts[kParts];
};

#define PX_EACH_PART for (int i = 0; i < vec::kParts; ++i)

static inline vec vec_load(const float* p) {
  vec r;
  PX_EACH_PART r.parts[i] = *(const part*)(p + i * kPartFloats);
  return r;
}
static inline void vec_store(float* p, const vec& v) {
  PX_EACH_PART*(part*)(p + i * kPartFloats) = v.parts[i];
}
static inline vec vec_all(float s) {
#if PX_VEC_BYTES == 64
  const part p = {s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s};
#elif PX_VEC_BYTES == 32
  const part p = {s, s, s, s, s, s, s, s};
#else
  const part p = {s, s, s, s};
#endif
  vec r;
  PX_EACH_PART r.parts[i] = p;
  return r;
}
// The same, but loaded by an instruction of its own and not by each that uses it.
static inline vec vec_in_register(vec v) {
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#if PX_VEC_BYTES == 64
  PX_EACH_PART __asm__("" : "+v"(v.parts[i]));
#else
  PX_EACH_PART __asm__("" : "+x"(v.parts[i]));
#endif
#endif
  return v;
}
// Likewise for an offset: some of them are not to be loaded and sorted out as a vector.
static inline ptrdiff_t in_register(ptrdiff_t i) {
#if defined(__GNUC__) || defined(__clang__)
  __asm__("" : "+r"(i));
#endif
  return i;
}
static inline vec vec_zero() { return vec_all(0.0f); }
static inline vec operator+(const vec& a, const vec& b) {
  vec r;
  PX_EACH_PART r.parts[i] = a.parts[i] + b.parts[i];
  return r;
}
static inline vec operator*(const vec& a, const vec& b) {
  vec r;
  PX_EACH_PART r.parts[i] = a.parts[i] * b.parts[i];
  return r;
}
// a * b + c, rounded once where the instruction set can: not left to the compiler, as a result should not hang on its options.
static inline vec vec_multiply_add(const vec& a, const vec& b, const vec& c) {
  vec r;
  PX_EACH_PART r.parts[i] = part_multiply_add(a.parts[i], b.parts[i], c.parts[i]);
  return r;
}
static inline vec operator-(const vec& a, const vec& b) {
  vec r;
  PX_EACH_PART r.parts[i] = a.parts[i] - b.parts[i];
  return r;
}
static inline vec operator/(const vec& a, const vec& b) {
  vec r;
  PX_EACH_PART r.parts[i] = a.parts[i] / b.parts[i];
  return r;
}
static inline vec vec_max(const vec& a, const vec& b) {
  vec r;
  PX_EACH_PART r.parts[i] = part_max(a.parts[i], b.parts[i]);
  return r;
}
static inline vec vec_where_above(const vec& a, const vec& b, const vec& yes, const vec& no) {
  vec r;
  PX_EACH_PART r.parts[i] = part_where_above(a.parts[i], b.parts[i], yes.parts[i], no.parts[i]);
  return r;
}
static inline vec vec_exp(const vec& a) {
  vec r;
  PX_EACH_PART r.parts[i] = part_exp(a.parts[i]);
  return r;
}
#undef PX_EACH_PART

// One bit a float, least significant first: set where it is above zero; and floats chosen by such bits.
static inline void vec_positive_bits(const vec& v, uint8_t* bits) {
#if PX_VEC_BYTES == 64
  const __mmask16 m = _mm512_cmp_ps_mask((__m512)v.parts[0], _mm512_setzero_ps(), _CMP_GT_OQ);
  bits[0] = (uint8_t)m;
  bits[1] = (uint8_t)(m >> 8);
#elif PX_VEC_BYTES == 32
  bits[0] = (uint8_t)_mm256_movemask_ps(_mm256_cmp_ps((__m256)v.parts[0], _mm256_setzero_ps(), _CMP_GT_OQ));
#else
  float f[kVecFloats];
  vec_store(f, v);
  for (int b = 0; b < kVecFloats / 8; ++b) {
    unsigned m = 0;
    for (int i = 0; i < 8; ++i) m |= (unsigned)(f[8 * b + i] > 0) << i;
    bits[b] = (uint8_t)m;
  }
#endif
}
static inline vec vec_where_bits(const uint8_t* bits, const vec& yes, const vec& no) {
  vec r;
#if PX_VEC_BYTES == 64
  const __mmask16 m = (__mmask16)(bits[0] | bits[1] << 8);
  r.parts[0] = (part)_mm512_mask_blend_ps(m, (__m512)no.parts[0], (__m512)yes.parts[0]);
#elif PX_VEC_BYTES == 32
  const __m256i each = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  const __m256i set = _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(bits[0]), each), each);
  r.parts[0] = (part)_mm256_blendv_ps((__m256)no.parts[0], (__m256)yes.parts[0], _mm256_castsi256_ps(set));
#else
  float f[kVecFloats], y[kVecFloats], n[kVecFloats];
  vec_store(y, yes);
  vec_store(n, no);
  for (int i = 0; i < kVecFloats; ++i) f[i] = (bits[i / 8] >> (i % 8)) & 1 ? y[i] : n[i];
  r = vec_load(f);
#endif
  return r;
}

static inline float vec_largest(const vec& v) {
  float out[kVecFloats];
  vec_store(out, v);
  float m = out[0];
  for (int i = 1; i < kVecFloats; ++i) m = out[i] > m ? out[i] : m;
  return m;
}
// Pairwise: ((0+4)+(2+6)) + ((1+5)+(3+7)) for eight.
static inline float vec_sum(const vec& v) {
  float out[kVecFloats];
  vec_store(out, v);
  for (int half = kVecFloats / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) out[i] += out[i + half];
  return out[0];
}

// out[e] += the sum of v[e], for eight vectors.
static inline void vec_add_sums(const vec v[8], float* out) {
#if PX_VEC_BYTES >= 32
  __m256 r[8];
  for (int e = 0; e < 8; ++e) {
#if PX_VEC_BYTES == 64
    const float* const half = (const float*)&v[e].parts[0];
    r[e] = _mm256_add_ps(_mm256_loadu_ps(half), _mm256_loadu_ps(half + 8));
#else
    r[e] = (__m256)v[e].parts[0];
#endif
  }
  // Transposed by halves, each time adding what comes to lie one above the other.
  for (int e = 0; e < 8; e += 2)
    r[e / 2] = _mm256_add_ps(_mm256_unpacklo_ps(r[e], r[e + 1]), _mm256_unpackhi_ps(r[e], r[e + 1]));
  for (int e = 0; e < 4; e += 2) {
    const __m256d a = _mm256_castps_pd(r[e]), b = _mm256_castps_pd(r[e + 1]);
    r[e / 2] =
        _mm256_add_ps(_mm256_castpd_ps(_mm256_unpacklo_pd(a, b)), _mm256_castpd_ps(_mm256_unpackhi_pd(a, b)));
  }
  const __m256 all =
      _mm256_add_ps(_mm256_permute2f128_ps(r[0], r[1], 0x20), _mm256_permute2f128_ps(r[0], r[1], 0x31));
  _mm256_storeu_ps(out, _mm256_add_ps(_mm256_loadu_ps(out), all));
#else
  for (int e = 0; e < 8; ++e) out[e] += vec_sum(v[e]);
#endif
}
