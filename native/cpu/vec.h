// Eight floats as one value, in registers of PX_VEC_BYTES (32 for AVX, 16 for SSE and NEON). Compilers split a vector wider than
// the target's registers through memory, so the narrow form is spelled out as two halves; without vector extensions the
// halves are arrays for the auto-vectoriser. Included inside an instruction set's namespace (isa_*.cc).

#if defined(__GNUC__) || defined(__clang__)
typedef float vec __attribute__((vector_size(PX_VEC_BYTES), aligned(4), may_alias));
static inline vec vec_max(vec a, vec b) { return a > b ? a : b; }
#else
struct vec {
  float f[PX_VEC_BYTES / 4];
  float operator[](int i) const { return f[i]; }
};
static inline vec operator+(vec a, vec b) {
  for (int i = 0; i < PX_VEC_BYTES / 4; ++i) a.f[i] += b.f[i];
  return a;
}
static inline vec operator*(vec a, vec b) {
  for (int i = 0; i < PX_VEC_BYTES / 4; ++i) a.f[i] *= b.f[i];
  return a;
}
static inline vec operator*(float s, vec b) {
  for (int i = 0; i < PX_VEC_BYTES / 4; ++i) b.f[i] *= s;
  return b;
}
static inline vec vec_max(vec a, vec b) {
  for (int i = 0; i < PX_VEC_BYTES / 4; ++i) a.f[i] = a.f[i] > b.f[i] ? a.f[i] : b.f[i];
  return a;
}
#endif

struct v8 {
  static constexpr int kParts = 32 / PX_VEC_BYTES;
  vec part[kParts];
};

#define PX_EACH_PART for (int i = 0; i < v8::kParts; ++i)

static inline v8 v8_load(const float* p) {
  v8 r;
  PX_EACH_PART r.part[i] = *(const vec*)(p + i * (PX_VEC_BYTES / 4));
  return r;
}
static inline void v8_store(float* p, const v8& v) {
  PX_EACH_PART*(vec*)(p + i * (PX_VEC_BYTES / 4)) = v.part[i];
}
static inline v8 v8_zero() {
  const float none[8] = {0};
  return v8_load(none);
}
// acc += s * x
static inline void v8_add_scaled(v8& acc, float s, const v8& x) {
  PX_EACH_PART acc.part[i] = acc.part[i] + s * x.part[i];
}
// acc += a * b
static inline void v8_add_product(v8& acc, const v8& a, const v8& b) {
  PX_EACH_PART acc.part[i] = acc.part[i] + a.part[i] * b.part[i];
}
static inline void v8_add(v8& acc, const v8& a) { PX_EACH_PART acc.part[i] = acc.part[i] + a.part[i]; }
static inline void v8_max(v8& acc, const v8& a) {
  PX_EACH_PART acc.part[i] = vec_max(a.part[i], acc.part[i]);
}

static inline float v8_largest(const v8& v) {
  float out[8];
  v8_store(out, v);
  float m = out[0];
  for (int i = 1; i < 8; ++i) m = out[i] > m ? out[i] : m;
  return m;
}
#undef PX_EACH_PART
