// Matrices times few vectors, from weights and mask as they are stored.
//
//   rows: y[r] = sum over columns c: w[r][c] * x[c]          cols: y[c] += sum over rows r: w[r][c] * x[r]
//
// Plain definition: for r: for c: if bit(r, c): y[r] += weight(values[r][c]) * x[c]
//
// With lanes a word of the mask tells which weights are worth a broadcast. A single sample has its vectors along the columns, and the
// mask chooses between a weight and 0. Sums have three levels (a word, kLevel columns, the row), as long ones must not lose f's gates.

static constexpr size_t kLevel = 1024;

template <Source S>
static inline vec direct_value(const vec& v, float scale) {
  if (S == Source::mask) return vec_all(1.0f);
  if (S == Source::theta) return v;
  const vec scaled = v * vec_all(scale);
  return scaled * scaled;
}

// Of one weight, in all lanes.
template <Source S>
static inline vec direct_weight(const float* value, float scale) {
  return S == Source::mask ? vec_all(1.0f) : direct_value<S>(vec_all(*value), scale);
}

template <Source S, int B>
static void direct_row_lanes(const DirectArgs* a) {
  for (size_t r = 0; r < a->rows; ++r) {
    const size_t row = a->first + r * a->step;
    vec total[B];
    for (int b = 0; b < B; ++b) total[b] = vec_zero();
    for (size_t from = 0; from < a->cols; from += kLevel) {
      const size_t to = from + kLevel < a->cols ? from + kLevel : a->cols;
      vec sum[B];
      for (int b = 0; b < B; ++b) sum[b] = vec_zero();
      for (size_t c = from; c < to; c += kMaskSpan) {
        const float* const values = a->values + row + c;
        const float* const x = a->x + c * kVecFloats;
        vec even[B], odd[B];
        for (int b = 0; b < B; ++b) even[b] = odd[b] = vec_zero();
        const auto add = [&](vec acc[B], size_t i) {
          const vec w = direct_weight<S>(values + i, a->squared_scale);
          for (int b = 0; b < B; ++b) acc[b] = acc[b] + w * vec_load(x + i * kVecFloats + b * a->x_block);
        };
        // Two sums in turns: one would wait for itself.
        uint64_t word = mask_span(a->mask, row + c, to - c < kMaskSpan ? to - c : kMaskSpan);
        while (word != 0) {
          add(even, lowest_bit(word));
          word &= word - 1;
          if (word == 0) break;
          add(odd, lowest_bit(word));
          word &= word - 1;
        }
        for (int b = 0; b < B; ++b) sum[b] = sum[b] + (even[b] + odd[b]);
      }
      for (int b = 0; b < B; ++b) total[b] = total[b] + sum[b];
    }
    for (int b = 0; b < B; ++b) vec_store(a->y + r * kVecFloats + b * a->y_block, total[b]);
  }
}

template <Source S, int B>
static void direct_col_lanes(const DirectArgs* a) {
  for (size_t r = 0; r < a->rows; ++r) {
    const size_t row = a->first + r * a->step;
    vec x[B];
    for (int b = 0; b < B; ++b) x[b] = vec_load(a->x + r * kVecFloats + b * a->x_block);
    for (size_t c = 0; c < a->cols; c += kMaskSpan) {
      const float* const values = a->values + row + c;
      float* const y = a->y + c * kVecFloats;
      uint64_t word = mask_span(a->mask, row + c, a->cols - c < kMaskSpan ? a->cols - c : kMaskSpan);
      for (; word != 0; word &= word - 1) {
        const size_t i = lowest_bit(word);
        const vec w = direct_weight<S>(values + i, a->squared_scale);
        for (int b = 0; b < B; ++b) {
          float* const at = y + i * kVecFloats + b * a->y_block;
          vec_store(at, vec_load(at) + w * x[b]);
        }
      }
    }
  }
}

// v where the mask has a weight, else 0.
static inline vec direct_kept(const uint8_t* mask, size_t at, const vec& v) {
  const uint64_t bits = mask_span(mask, at, kVecFloats);
  const uint8_t bytes[2] = {static_cast<uint8_t>(bits), static_cast<uint8_t>(bits >> 8)};
  return vec_where_bits(bytes, v, vec_zero());
}

// A vector's worth of neighbouring weights.
template <Source S, typename Args>
static inline vec direct_masked(const Args* a, size_t at) {
  const vec v = S == Source::mask ? vec_zero() : vec_load(a->values + at);
  return direct_kept(a->mask, at, direct_value<S>(v, a->squared_scale));
}

template <Source S, typename Args>
static inline float direct_scalar(const Args* a, size_t at) {
  if (mask_span(a->mask, at, 1) == 0) return 0.0f;
  if (S == Source::mask) return 1.0f;
  if (S == Source::theta) return a->values[at];
  const float v = a->values[at] * a->squared_scale;
  return v * v;
}

template <Source S>
static void direct_row_single(const DirectArgs* a) {
  for (size_t r = 0; r < a->rows; ++r) {
    const size_t row = a->first + r * a->step;
    vec total = vec_zero();
    size_t c = 0;
    while (c + kVecFloats <= a->cols) {
      vec acc[4] = {vec_zero(), vec_zero(), vec_zero(), vec_zero()};
      const size_t to = c + kLevel < a->cols ? c + kLevel : a->cols;
      for (; c + 4 * kVecFloats <= to; c += 4 * kVecFloats) {
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i)
          acc[i] =
              acc[i] + direct_masked<S>(a, row + c + i * kVecFloats) * vec_load(a->x + c + i * kVecFloats);
      }
      for (; c + kVecFloats <= to; c += kVecFloats)
        acc[0] = acc[0] + direct_masked<S>(a, row + c) * vec_load(a->x + c);
      total = total + ((acc[0] + acc[1]) + (acc[2] + acc[3]));
    }
    float sum = vec_sum(total);
    for (; c < a->cols; ++c) sum += direct_scalar<S>(a, row + c) * a->x[c];
    a->y[r] = sum;
  }
}

template <Source S>
static void direct_col_single(const DirectArgs* a) {
  for (size_t r = 0; r < a->rows; ++r) {
    const size_t row = a->first + r * a->step;
    const vec x = vec_all(a->x[r]);
    size_t c = 0;
    for (; c + kVecFloats <= a->cols; c += kVecFloats)
      vec_store(a->y + c, vec_load(a->y + c) + direct_masked<S>(a, row + c) * x);
    for (; c < a->cols; ++c) a->y[c] += direct_scalar<S>(a, row + c) * a->x[r];
  }
}

typedef void (*DirectKernel)(const DirectArgs*);

// By source and blocks.
#define PX_OF_SOURCE(fn, S) \
  { fn<S, 1>, fn<S, 2>, fn<S, 3>, fn<S, 4> }
#define PX_OF_LANES(fn) \
  { PX_OF_SOURCE(fn, Source::theta), PX_OF_SOURCE(fn, Source::mask), PX_OF_SOURCE(fn, Source::theta_squared) }
static const DirectKernel kRowLanes[3][4] = PX_OF_LANES(direct_row_lanes);
static const DirectKernel kColLanes[3][4] = PX_OF_LANES(direct_col_lanes);
#undef PX_OF_LANES
#undef PX_OF_SOURCE
#define PX_OF_SINGLE(fn) \
  { fn<Source::theta>, fn<Source::mask>, fn<Source::theta_squared> }
static const DirectKernel kRowSingle[3] = PX_OF_SINGLE(direct_row_single);
static const DirectKernel kColSingle[3] = PX_OF_SINGLE(direct_col_single);
#undef PX_OF_SINGLE

static inline int direct_source(const DirectArgs* a) { return static_cast<int>(a->source); }
static void direct_rows_lanes(const DirectArgs* a) { kRowLanes[direct_source(a)][a->blocks - 1](a); }
static void direct_cols_lanes(const DirectArgs* a) { kColLanes[direct_source(a)][a->blocks - 1](a); }
static void direct_rows_single(const DirectArgs* a) { kRowSingle[direct_source(a)](a); }
static void direct_cols_single(const DirectArgs* a) { kColSingle[direct_source(a)](a); }

// The gradient at surviving weights: eight products become eight sums at once.
static void direct_grad_lanes(const DirectGradArgs* a) {
  for (size_t r = 0; r < a->rows; ++r) {
    const size_t row = a->first + r * a->step;
    const float* const u = a->u + r * kVecFloats;
    for (size_t c = 0; c < a->cols; c += kMaskSpan) {
      uint64_t word = mask_span(a->mask, row + c, a->cols - c < kMaskSpan ? a->cols - c : kMaskSpan);
      while (word != 0) {
        size_t at[8];
        int n = 0;
        for (; n < 8 && word != 0; ++n, word &= word - 1) at[n] = c + lowest_bit(word);
        vec acc[8];
        for (int i = 0; i < 8; ++i) {
          const float* const v = a->v + at[i < n ? i : 0] * kVecFloats;
          acc[i] = vec_load(u) * vec_load(v);
          for (int b = 1; b < a->blocks; ++b)
            acc[i] = acc[i] + vec_load(u + b * a->u_block) * vec_load(v + b * a->v_block);
        }
        float sums[8] = {};
        vec_add_sums(acc, sums);
        for (int i = 0; i < n; ++i) a->g[row + at[i]] += a->factor * sums[i];
      }
    }
  }
}

static void direct_grad_single(const DirectGradArgs* a) {
  for (size_t r = 0; r < a->rows; ++r) {
    const size_t row = a->first + r * a->step;
    const float u = a->factor * a->u[r];
    size_t c = 0;
    for (; c + kVecFloats <= a->cols; c += kVecFloats) {
      if (mask_span(a->mask, row + c, kVecFloats) == 0) continue;  // not to be written for nothing
      const vec add = direct_kept(a->mask, row + c, vec_all(u) * vec_load(a->v + c));
      vec_store(a->g + row + c, vec_load(a->g + row + c) + add);
    }
    for (; c < a->cols; ++c)
      if (mask_span(a->mask, row + c, 1) != 0) a->g[row + c] += u * a->v[c];
  }
}

template <Source S>
static void masked_of(const MaskedArgs* a) {
  size_t i = 0;
  for (; i + kVecFloats <= a->count; i += kVecFloats)
    vec_store(a->out + i, direct_masked<S>(a, a->first + i));
  for (; i < a->count; ++i) a->out[i] = direct_scalar<S>(a, a->first + i);
}

static void masked(const MaskedArgs* a) {
  switch (a->source) {
    case Source::theta:
      return masked_of<Source::theta>(a);
    case Source::theta_squared:
      return masked_of<Source::theta_squared>(a);
    default:
      return masked_of<Source::mask>(a);
  }
}

static void add_masked(const AddMaskedArgs* a) {
  float* const out = a->out + a->first;
  size_t i = 0;
  for (; i + kVecFloats <= a->count; i += kVecFloats) {
    const vec v = direct_kept(a->mask, a->first + i, vec_load(a->v + i));
    vec_store(out + i, a->replace ? v : vec_load(out + i) + v);
  }
  for (; i < a->count; ++i) {
    const float v = mask_span(a->mask, a->first + i, 1) != 0 ? a->v[i] : 0.0f;
    out[i] = a->replace ? v : out[i] + v;
  }
}
