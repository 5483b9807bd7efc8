// One axis of a Kronecker product (fixed steps), and of a maximum (max gates): rows of [inner] contiguous floats.
//
//   y[o] = scale * sum over entries e of row o of value[e] * x[index[e]]        rows without entries: fill
static void axis(const AxisArgs* a) {
  vec tops = vec_zero();
  float top = a->max ? *a->max : 0.0f;
  for (int o = 0; o < a->rows; ++o) {
    float* const y = a->y + o * a->inner;
    const uint32_t lo = a->start[o], hi = a->start[o + 1];
    if (lo == hi) {
      for (size_t i = 0; i < a->inner; ++i) y[i] = a->fill;
      continue;
    }
    size_t i = 0;
    for (; i + kVecFloats <= a->inner; i += kVecFloats) {
      vec sum = vec_zero();
      for (uint32_t e = lo; e < hi; ++e)
        sum = vec_multiply_add(vec_all(a->value[e] * a->scale), vec_load(a->x + a->index[e] * a->inner + i),
                               sum);
      tops = vec_max(sum, tops);
      vec_store(y + i, sum);
    }
    for (; i < a->inner; ++i) {
      float sum = 0.0f;
      for (uint32_t e = lo; e < hi; ++e) sum += a->value[e] * a->scale * a->x[a->index[e] * a->inner + i];
      top = sum > top ? sum : top;
      y[i] = sum;
    }
  }
  if (!a->max) return;
  const float most = vec_largest(tops);
  *a->max = most > top ? most : top;
}

//   f_out[o] = max over entries of f[index]; c_out takes the companion of the entry f chose, the first on ties.
// Axis after axis, slow axis last, this is the first maximum in row-major order of the whole window.
static void axis_max(const AxisMaxArgs* a) {
  for (int o = 0; o < a->rows; ++o) {
    float* const y = a->f_out + o * a->inner;
    float* const h = a->c ? a->c_out + o * a->inner : nullptr;
    uint32_t* const k = a->choice ? a->choice + o * a->inner : nullptr;
    const uint32_t lo = a->start[o], hi = a->start[o + 1];
    size_t i = 0;
    for (; lo < hi && i + kVecFloats <= a->inner; i += kVecFloats) {
      const size_t first = a->index[lo] * a->inner + i;
      vec best = vec_load(a->f + first), c = h ? vec_load(a->c + first) : vec_zero(), entry = vec_zero();
      for (uint32_t e = lo + 1; e < hi; ++e) {
        const size_t at = a->index[e] * a->inner + i;
        const vec x = vec_load(a->f + at);
        if (h) c = vec_where_above(x, best, vec_load(a->c + at), c);
        if (k) entry = vec_where_above(x, best, vec_all(static_cast<float>(e - lo)), entry);
        best = vec_where_above(x, best, x, best);
      }
      vec_store(y + i, best);
      if (h) vec_store(h + i, c);
      if (k) {
        float entries[kVecFloats];
        vec_store(entries, entry);
        for (int l = 0; l < kVecFloats; ++l) k[i + l] = static_cast<uint32_t>(entries[l]);
      }
    }
    for (uint32_t e = lo; e < hi; ++e) {
      const size_t at = a->index[e] * a->inner;
      for (size_t l = i; l < a->inner; ++l) {
        if (e > lo && !(a->f[at + l] > y[l])) continue;
        y[l] = a->f[at + l];
        if (h) h[l] = a->c[at + l];
        if (k) k[l] = e - lo;
      }
    }
  }
}

// One bit a byte that equals `wanted`, for a vector's worth of them.
static inline void equal_bits(const uint8_t* bytes, uint8_t wanted, uint8_t* bits) {
  unsigned found = 0;
#if defined(__SSE2__)
  __m128i all = _mm_setzero_si128();
  memcpy(&all, bytes, kVecFloats);
  found =
      static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(all, _mm_set1_epi8(static_cast<char>(wanted)))));
#else
  for (int i = 0; i < kVecFloats; ++i) found |= static_cast<unsigned>(bytes[i] == wanted) << i;
#endif
  for (int b = 0; b < kVecFloats / 8; ++b) bits[b] = static_cast<uint8_t>(found >> (8 * b));
}

//   y = sum over rows: d[row] where choice[row] is the entry that the input is there
static void axis_back(const AxisBackArgs* a) {
  vec top = vec_zero();
  size_t i = 0;
  for (; i + kVecFloats <= a->inner; i += kVecFloats) {
    vec sum = vec_zero();
    for (uint32_t e = 0; e < a->count; ++e) {
      const size_t at = a->rows[e] * a->inner + i;
      uint8_t bits[2];
      equal_bits(a->choice + at, static_cast<uint8_t>(a->entry[e]), bits);
      sum = sum + vec_where_bits(bits, vec_load(a->d + at), vec_zero());
    }
    top = vec_max(sum, top);
    vec_store(a->y + i, sum);
  }
  float most = vec_largest(top) > *a->max ? vec_largest(top) : *a->max;
  for (; i < a->inner; ++i) {
    float sum = 0.0f;
    for (uint32_t e = 0; e < a->count; ++e) {
      const size_t at = a->rows[e] * a->inner + i;
      if (a->choice[at] == a->entry[e]) sum += a->d[at];
    }
    most = sum > most ? sum : most;
    a->y[i] = sum;
  }
  *a->max = most;
}
