// A vector of kVecFloats floats, the lanes: in registers of PX_VEC_BYTES (64 for AVX-512, 32 for AVX, 16 for SSE and NEON).
// Compilers split a vector wider than the target's registers through memory, so a wider one is spelled out as several; without
// vector extensions the parts are arrays for the auto-vectoriser. Included inside an instruction set's namespace (isa_*.cc).

static constexpr int kVecFloats = PX_LANES;
static constexpr int kPartFloats = PX_VEC_BYTES / 4;

#if defined(__GNUC__) || defined(__clang__)
typedef float part __attribute__((vector_size(PX_VEC_BYTES), aligned(4), may_alias));
static inline part part_max(part a, part b) { return a > b ? a : b; }
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
static inline part part_max(part a, part b) {
  for (int i = 0; i < kPartFloats; ++i) a.f[i] = a.f[i] > b.f[i] ? a.f[i] : b.f[i];
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
static inline vec vec_max(const vec& a, const vec& b) {
  vec r;
  PX_EACH_PART r.parts[i] = part_max(a.parts[i], b.parts[i]);
  return r;
}
#undef PX_EACH_PART

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
