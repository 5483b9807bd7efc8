// Linear steps: convolution, its adjoint, transposed convolution and dense layers are all this one loop over surviving weights.
//
//   y[m][p] (+)= scale * ( start[m][p] + sum over entries e of channel m: w_e * x[vector p + offset e] ) + bias[m]
//
// The plain definition:
//   for m in M: for p in points: for l in L: s = start; for e in list[m]: s += w[e] * x[p*L + off[e] + l]; y = scale*s + bias
//
// A vector is L floats: the lanes of one position, or L neighbouring positions of one sample. Channels go in pairs, and a pair's
// weights are sorted by which of the two survive, so that a load serves both where both do and hardly any multiplication is by
// zero: the cost falls with density, and at density 1 this is a dense kernel. The points of a call are neighbours in x: an address
// is one register and a constant, where a register a point would be more than there are.
//
// Sums are float32 in registers, over one chunk of input channels (the caller's, about a hundred and fifty entries), then added to y.
// f's go in three levels (conv_runs): runs of kConvRun entries, the chunk, y; both sums of a tile stay in registers, so it has half
// the points. Rounding grows with the root of each level's length and not of the whole, and that is what keeps gates from flipping
// forty layers on: a flip is an error of percents in single weights' scores. h, g and j have no gates of their own, and nothing cancels
// in them.

// N entries of a list. What both have: each x is loaded once, as loads, not multiplications, would be the limit.
template <int P, uint32_t N>
static inline void conv_both(vec acc0[P], vec acc1[P], const float* x, const int32_t* off, const float* w) {
#pragma GCC unroll 2
  for (uint32_t i = 0; i < N; ++i) {
    const float* const at = x + off[i];
    const vec w0 = vec_all(w[2 * i]), w1 = vec_all(w[2 * i + 1]);
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
      const vec v = vec_in_register(vec_load(at + p * kVecFloats));
      acc0[p] = acc0[p] + w0 * v;
      acc1[p] = acc1[p] + w1 * v;
    }
  }
}

// And n of what each has alone.
template <int P>
static inline void conv_single(vec acc0[P], vec acc1[P], const float* x, const int32_t* off, const float* w,
                               uint32_t n) {
  for (; n > 0; --n, off += 2, w += 2) {
    const float *const at0 = x + off[0], *const at1 = x + off[1];
    const vec w0 = vec_all(w[0]), w1 = vec_all(w[1]);
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
      acc0[p] = acc0[p] + w0 * vec_load(at0 + p * kVecFloats);
      acc1[p] = acc1[p] + w1 * vec_load(at1 + p * kVecFloats);
    }
  }
}

template <int P>
static inline void conv_clear(vec acc0[P], vec acc1[P]) {
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p) acc0[p] = acc1[p] = vec_zero();
}

template <int P>
static inline void conv_join(vec to[P], const vec a[P], const vec b[P]) {
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p) to[p] = a[p] + b[p];
}

// Stores one channel's sums, and its largest value.
template <int P>
static inline void conv_store(const ConvArgs& a, int channel, const vec acc[P], vec& top) {
  float* const y = a.y + channel * a.y_channel;
  const vec bias = vec_all(a.bias ? a.bias[channel] : 0.0f), scale = vec_all(a.scale);
  const vec least = vec_all(a.clamp ? 0.0f : -INFINITY);
  vec out[P];
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p) out[p] = bias + scale * acc[p];
  if (a.add) {
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) out[p] = out[p] + vec_load(y + a.yp[p]);
  }
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p) {
    out[p] = vec_max(out[p], least);
    top = vec_max(out[p], top);
    vec_store(y + a.yp[p], out[p]);
  }
}

template <int P, bool Runs>
static void conv_points(const ConvArgs* args) {
  const ConvArgs a = *args;  // what is stored cannot change it
  const float* const x = a.x;
  vec top = vec_zero();
  for (int c = 0; c < a.channels; c += 2) {
    const ConvList& list = a.lists[c / 2];
    // Where the sums will go is fetched meanwhile: stores would wait for it.
    for (int p = 0; p < P; ++p) {
      prefetch_to_write(a.y + c * a.y_channel + a.yp[p]);
      prefetch_to_write(a.y + (c + 1) * a.y_channel + a.yp[p]);
    }
    vec sum0[P], sum1[P];
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
      sum0[p] = list.boxed & 1 ? vec_load(a.start + p * kVecFloats) : vec_zero();
      sum1[p] = list.boxed & 2 ? vec_load(a.start + p * kVecFloats) : vec_zero();
    }
    const int32_t* off = list.off;
    const float* w = list.w;
    if (Runs) {
      for (uint32_t n = list.both; n > 0; n -= kConvRun, off += kConvRun, w += 2 * kConvRun) {
        vec acc0[P], acc1[P];
        conv_clear<P>(acc0, acc1);
        conv_both<P, kConvRun>(acc0, acc1, x, off, w);
        conv_join<P>(sum0, sum0, acc0);
        conv_join<P>(sum1, sum1, acc1);
      }
      uint32_t n = list.single;
      for (; n >= kConvRun; n -= kConvRun, off += 2 * kConvRun, w += 2 * kConvRun) {
        vec acc0[P], acc1[P];
        conv_clear<P>(acc0, acc1);
        conv_single<P>(acc0, acc1, x, off, w, kConvRun);
        conv_join<P>(sum0, sum0, acc0);
        conv_join<P>(sum1, sum1, acc1);
      }
      if (n > 0) {
        vec acc0[P], acc1[P];
        conv_clear<P>(acc0, acc1);
        conv_single<P>(acc0, acc1, x, off, w, n);
        conv_join<P>(sum0, sum0, acc0);
        conv_join<P>(sum1, sum1, acc1);
      }
    } else {
      for (uint32_t n = list.both; n > 0; n -= kConvStep, off += kConvStep, w += 2 * kConvStep)
        conv_both<P, kConvStep>(sum0, sum1, x, off, w);
      conv_single<P>(sum0, sum1, x, off, w, list.single);
    }
    if (list.joined) conv_join<P>(sum0, sum0, sum1);
    conv_store<P>(a, c, sum0, top);
    if (c + 1 < a.channels) conv_store<P>(a, c + 1, sum1, top);
  }
  if (a.max) *a.max = vec_largest(top) > *a.max ? vec_largest(top) : *a.max;
}

typedef void (*ConvPoints)(const ConvArgs*);

// By number of points.
static void conv(const ConvArgs* a) {
  static const ConvPoints plain[] = {
    conv_points<1, false>,
    conv_points<2, false>,
    conv_points<3, false>,
#if PX_CONV_POINTS > 3
    conv_points<4, false>,
    conv_points<5, false>,
    conv_points<6, false>,
#endif
#if PX_CONV_POINTS > 6
    conv_points<7, false>,
    conv_points<8, false>,
#endif
  };
  plain[a->points - 1](a);
}

static void conv_runs(const ConvArgs* a) {
  static const ConvPoints runs[] = {
    conv_points<1, true>,
    conv_points<2, true>,
#if PX_RUN_POINTS > 2
    conv_points<3, true>,
#endif
#if PX_RUN_POINTS > 3
    conv_points<4, true>,
    conv_points<5, true>,
    conv_points<6, true>,
    conv_points<7, true>,
#endif
  };
  runs[a->points - 1](a);
}
