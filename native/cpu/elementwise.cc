// Loops over contiguous floats; no lane structure is needed, so samples and elements are one long array.
// Each formula stands above its function. Float32; a returned maximum does not depend on order. The vectors are written out, since no
// compiler keeps a running maximum in one by itself: it would have to know that there is no NaN.

static inline float larger(float a, float b) { return a > b ? a : b; }
static inline vec magnitude(const vec& v) { return vec_max(v, vec_all(-1.0f) * v); }

// y = s*x; returns max |y|
static float scale_all(const float* x, float* y, size_t n, float s) {
  const vec ss = vec_all(s);
  vec tops = vec_zero();
  size_t i = 0;
  for (; i + kVecFloats <= n; i += kVecFloats) {
    const vec v = ss * vec_load(x + i);
    tops = vec_max(magnitude(v), tops);
    vec_store(y + i, v);
  }
  float top = vec_largest(tops);
  for (; i < n; ++i) {
    y[i] = s * x[i];
    top = larger(y[i] < 0 ? -y[i] : y[i], top);
  }
  return top;
}

// y = a*x + b*y
static float axpby(const float* x, float a, float* y, float b, size_t n) {
  const vec as = vec_all(a), bs = vec_all(b);
  vec tops = vec_zero();
  size_t i = 0;
  for (; i + kVecFloats <= n; i += kVecFloats) {
    const vec v = as * vec_load(x + i) + bs * vec_load(y + i);
    tops = vec_max(v, tops);
    vec_store(y + i, v);
  }
  float top = vec_largest(tops);
  for (; i < n; ++i) {
    y[i] = a * x[i] + b * y[i];
    top = larger(y[i], top);
  }
  return top;
}

// y = s*x*k²
static float mul_square(const float* x, const float* k, float* y, size_t n, float s) {
  const vec ss = vec_all(s);
  vec tops = vec_zero();
  size_t i = 0;
  for (; i + kVecFloats <= n; i += kVecFloats) {
    const vec ks = vec_load(k + i), v = ss * vec_load(x + i) * (ks * ks);
    tops = vec_max(v, tops);
    vec_store(y + i, v);
  }
  float top = vec_largest(tops);
  for (; i < n; ++i) {
    y[i] = s * x[i] * (k[i] * k[i]);
    top = larger(y[i], top);
  }
  return top;
}

// y = s*x*k
static float mul(const float* x, const float* k, float* y, size_t n, float s) {
  const vec ss = vec_all(s);
  vec tops = vec_zero();
  size_t i = 0;
  for (; i + kVecFloats <= n; i += kVecFloats) {
    const vec v = ss * vec_load(x + i) * vec_load(k + i);
    tops = vec_max(v, tops);
    vec_store(y + i, v);
  }
  float top = vec_largest(tops);
  for (; i < n; ++i) {
    y[i] = s * x[i] * k[i];
    top = larger(y[i], top);
  }
  return top;
}

// max |x|
static float largest(const float* x, size_t n) {
  vec tops = vec_zero();
  size_t i = 0;
  for (; i + kVecFloats <= n; i += kVecFloats) tops = vec_max(magnitude(vec_load(x + i)), tops);
  float top = vec_largest(tops);
  for (; i < n; ++i) top = larger(x[i] < 0 ? -x[i] : x[i], top);
  return top;
}

// y[r*count + i] = x[r*step + i]; returns max |y|. In whole vectors: what they hold beyond a row the next one overwrites, and what would
// go beyond the last is left out. The maximum is not taken of y, because a load of what several stores have just left waits for them.
static float join_rows(const float* x, size_t step, size_t rows, size_t count, float* y) {
  static const float kLane[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const vec lane = vec_load(kLane);
  vec tops = vec_zero();
  float top = 0.0f;
  for (size_t r = 0; r < rows; ++r) {
    const float* const from = x + r * step;
    float* const to = y + r * count;
    const size_t left = (rows - r) * count;
    size_t i = 0;
    for (; i < count && i + kVecFloats <= left; i += kVecFloats) {
      const vec v = vec_load(from + i);
      vec_store(to + i, v);
      const vec of_row = vec_where_above(vec_all(static_cast<float>(count - i)), lane, v, vec_zero());
      tops = vec_max(magnitude(of_row), tops);
    }
    for (; i < count; ++i) {
      to[i] = from[i];
      top = larger(from[i] < 0 ? -from[i] : from[i], top);
    }
  }
  return larger(vec_largest(tops), top);
}

// A stretch of one segment, up to `end` of the range.
struct AffineRun {
  size_t end;
  float s, m, t;
};
static inline AffineRun affine_run(const AffineArgs* a, size_t at) {
  const size_t place = a->first + at, segment = place / a->segment;
  const size_t left = (segment + 1) * a->segment - place;
  const auto of = [&](const float* p, float otherwise) { return p ? p[segment % a->period] : otherwise; };
  return {left < a->count - at ? at + left : a->count, of(a->s, 1.0f) * a->scale, of(a->m, 0.0f),
          of(a->t, 0.0f)};
}

// y = s[k]*(x - m[k]) + t[k], k = the segment's place in the period (a channel, say)
static void affine(const AffineArgs* a) {
  vec tops = vec_zero();
  float top = *a->max;
  for (size_t at = 0; at < a->count;) {
    const AffineRun r = affine_run(a, at);
    const vec ss = vec_all(r.s), minus = vec_all(-r.m), ts = vec_all(r.t);
    size_t i = at;
    for (; i + kVecFloats <= r.end; i += kVecFloats) {
      const vec v = vec_multiply_add(ss, vec_load(a->x + i) + minus, ts);
      tops = vec_max(v, tops);
      vec_store(a->y + i, v);
    }
    for (; i < r.end; ++i) {
      const float v = r.s * (a->x[i] - r.m) + r.t;
      top = larger(v, top);
      a->y[i] = v;
    }
    at = r.end;
  }
  *a->max = larger(vec_largest(tops), top);
}

// Over all vectors and the first `filled` of their lanes: the mean, and the sum of squared distances from it. Two sweeps, because one
// loses the variance of a channel whose mean is large; callers keep them few enough for the second to hit L1. Sums have two levels.
static constexpr size_t kMomentRun = 16;

// Runs go on from row to row, so that a tensor's sums do not depend on how it lies: fn(first, end, flush) for stretches of vectors in
// a row, `flush` where a run ends.
template <typename Fn>
static inline void each_run(Rows rows, Fn fn) {
  size_t left = kMomentRun;
  for (size_t r = 0; r < rows.count; ++r)
    for (size_t at = 0; at < rows.vectors;) {
      const size_t n = rows.vectors - at < left ? rows.vectors - at : left;
      left -= n;
      fn(r * rows.step, at, at + n, left == 0);
      if (left == 0) left = kMomentRun;
      at += n;
    }
}

// Over the first `filled` lanes: sums of (x - center)^power, power 1 or 2, for K channels side by side: what one adds up takes longer than
// to load it.
template <int Power, int K>
static void power_sums(const MomentsArgs* a, const float* x, const float center[K], double out[K]) {
  float sums[K][64] = {};
  if (a->lanes == kVecFloats) {
    vec minus[K], total[K], run[K];
    for (int k = 0; k < K; ++k) {
      minus[k] = vec_all(-center[k]);
      total[k] = run[k] = vec_zero();
    }
    each_run(a->rows, [&](size_t row, size_t first, size_t end, bool flush) {
      for (size_t i = first; i < end; ++i)
#pragma GCC unroll 4
        for (int k = 0; k < K; ++k) {
          const vec v = vec_load(x + k * a->channel + row + i * kVecFloats), d = v + minus[k];
          run[k] = Power == 1 ? run[k] + v : vec_multiply_add(d, d, run[k]);
        }
      for (int k = 0; flush && k < K; ++k) {
        total[k] = total[k] + run[k];
        run[k] = vec_zero();
      }
    });
    for (int k = 0; k < K; ++k) vec_store(sums[k], total[k] + run[k]);
  } else {
    const int lanes = a->lanes;
    for (int k = 0; k < K; ++k) {
      const float* const of = x + k * a->channel;
      float run[64] = {};
      each_run(a->rows, [&](size_t row, size_t first, size_t end, bool flush) {
        for (int l = 0; l < lanes; ++l) {
          for (size_t i = first; i < end; ++i) {
            const float d = of[row + i * lanes + l] - center[k];
            run[l] += Power == 1 ? d : d * d;
          }
          if (!flush) continue;
          sums[k][l] += run[l];
          run[l] = 0.0f;
        }
      });
      for (int l = 0; l < lanes; ++l) sums[k][l] += run[l];
    }
  }
  for (int k = 0; k < K; ++k) {
    out[k] = 0.0;
    for (int l = 0; l < a->filled; ++l) out[k] += sums[k][l];
  }
}

template <int K>
static void moments_of(const MomentsArgs* a, int first) {
  const double count = static_cast<double>(a->rows.count * a->rows.vectors) * a->filled;
  const float* const x = a->x + first * a->channel;
  double *const mean = a->mean + first, *const m2 = a->m2 + first;
  float center[K] = {};
  power_sums<1, K>(a, x, center, mean);
  for (int k = 0; k < K; ++k) {
    mean[k] /= count;
    center[k] = static_cast<float>(mean[k]);
  }
  power_sums<2, K>(a, x, center, m2);
  for (int k = 0; k < K; ++k) {
    const double off = mean[k] - center[k];
    m2[k] -= off * off * count;
  }
}

static void moments(const MomentsArgs* a) {
  if (a->channels == kMomentChannels) return moments_of<kMomentChannels>(a, 0);
  for (int c = 0; c < a->channels; ++c) moments_of<1>(a, c);
}

static bool score(const float* theta, float* s, size_t n, double shift, double factor) {
  int bad = 0;
  for (size_t i = 0; i < n; ++i) {
    const double t = theta[i] * shift;
    const float v = static_cast<float>(t * t * s[i] * factor);
    bad |= !(v <= FLT_MAX);
    s[i] = v;
  }
  return bad == 0;
}
