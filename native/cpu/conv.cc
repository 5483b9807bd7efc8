// Linear steps: convolution, its adjoint, transposed convolution and dense layers are all this one loop over surviving weights.
//
//   y[m][p] (+)= scale * ( start[m][p] + sum over entries e of channel m: w_e * x[point p + offset e] ) + bias[m]
//
// The plain definition:
//   for m in M: for p in points: for l in L: s = start; for e in list[m]: s += w[e] * x[xp[p] + off[e] + l]; y = scale*s + bias
//
// A vector is L floats: the lanes of one position, or L neighbouring positions of one sample. Channels go in pairs, and a pair's
// weights are sorted by which of the two survive, so that a load serves both where both do and no multiplication by zero is ever
// made: the cost falls with density, and at density 1 this is a dense kernel.
//
// Sums are float32 in registers, over one chunk of input channels (the caller's, about a hundred and fifty entries), then added to y.
// f's go in three levels (conv_runs): runs of kRun entries, the chunk, y; both sums of a tile stay in registers, so it has half the
// points. Rounding grows with the root of each level's length and not of the
// whole, and that is what keeps gates from flipping forty layers on: a flip is an error of percents in single weights' scores. h, g and
// j have no gates of their own, and nothing cancels in them.

static constexpr uint32_t kRun = 8;

// How a list's weights are used: all are one; or as they are.
enum class Weigh { ones, each };

// acc[p] += w * x[p] for one entry of one channel.
template <int P, Weigh W>
static inline void conv_one(vec acc[P], const float* const xs[P], ptrdiff_t o, float w) {
  const vec ws = W == Weigh::ones ? vec_zero() : vec_all(w);
#pragma GCC unroll 12
  for (int p = 0; p < P; ++p) {
    const vec x = vec_load(xs[p] + o);
    acc[p] = W == Weigh::ones ? acc[p] + x : acc[p] + ws * x;
  }
}

// Likewise for one entry that both have. Each x is loaded once: loads, not multiplications, would be the limit.
template <int P, Weigh W>
static inline void conv_two(vec acc0[P], vec acc1[P], const float* const xs[P], ptrdiff_t o, const float* w) {
  const vec w0 = W == Weigh::ones ? vec_zero() : vec_all(w[0]),
            w1 = W == Weigh::ones ? vec_zero() : vec_all(w[1]);
#pragma GCC unroll 12
  for (int p = 0; p < P; ++p) {
    const vec x = vec_in_register(vec_load(xs[p] + o));
    acc0[p] = W == Weigh::ones ? acc0[p] + x : acc0[p] + w0 * x;
    acc1[p] = W == Weigh::ones ? acc1[p] + x : acc1[p] + w1 * x;
  }
}

// A list's entries from `at` on, at most `most` of each kind; where both channels have entries of their own, side by side.
template <int P, Weigh W>
static inline void conv_part(vec acc0[P], vec acc1[P], const float* const xs[P], const ConvList& list,
                             uint32_t at, uint32_t most) {
  const int32_t* off = list.off;
  const float* w = list.w;
  const uint32_t two = list.both < at + most ? list.both : at + most;
  for (uint32_t i = at; i < two; ++i)
    conv_two<P, W>(acc0, acc1, xs, off[i], W == Weigh::ones ? nullptr : w + 2 * i);
  const int32_t *off0 = off + list.both, *off1 = off0 + list.first;
  const float *w0 = W == Weigh::ones ? nullptr : w + 2 * list.both,
              *w1 = W == Weigh::ones ? nullptr : w0 + list.first;
  const uint32_t first = list.first < at + most ? list.first : at + most,
                 second = list.second < at + most ? list.second : at + most,
                 common = first < second ? first : second;
  uint32_t i = at;
  for (; i < common; ++i) {
    conv_one<P, W>(acc0, xs, off0[i], W == Weigh::ones ? 1.0f : w0[i]);
    conv_one<P, W>(acc1, xs, off1[i], W == Weigh::ones ? 1.0f : w1[i]);
  }
  for (uint32_t k = i; k < first; ++k) conv_one<P, W>(acc0, xs, off0[k], W == Weigh::ones ? 1.0f : w0[k]);
  for (uint32_t k = i; k < second; ++k) conv_one<P, W>(acc1, xs, off1[k], W == Weigh::ones ? 1.0f : w1[k]);
}

// Stores one channel's sums, and its largest value.
template <int P>
static inline void conv_store(const ConvArgs* a, int channel, const vec acc[P], vec& top) {
  float* y = a->y + channel * a->y_channel;
  const vec bias = vec_all(a->bias ? a->bias[channel] : 0.0f), scale = vec_all(a->scale);
  for (int p = 0; p < P; ++p) {
    vec out = bias + scale * acc[p];
    if (a->add) out = out + vec_load(y + a->yp[p]);
    if (a->clamp) out = vec_max(out, vec_zero());
    top = vec_max(out, top);
    vec_store(y + a->yp[p], out);
  }
}

template <int P, bool Runs>
static void conv_points(const ConvArgs* a) {
  const float* xs[P];
#pragma GCC unroll 12
  for (int p = 0; p < P; ++p) xs[p] = a->x + a->xp[p];
  vec top = vec_zero();
  for (int c = 0; c < a->channels; c += 2) {
    const ConvList& list = a->lists[c / 2];
    vec sum0[P], sum1[P];
#pragma GCC unroll 12
    for (int p = 0; p < P; ++p) {
      sum0[p] = list.boxed & 1 ? vec_load(a->start + p * kVecFloats) : vec_zero();
      sum1[p] = list.boxed & 2 ? vec_load(a->start + p * kVecFloats) : vec_zero();
    }
    if (Runs) {
      const uint32_t single = list.first > list.second ? list.first : list.second;
      const uint32_t n = list.both > single ? list.both : single;
      for (uint32_t at = 0; at < n; at += kRun) {
        vec acc0[P], acc1[P];
#pragma GCC unroll 12
        for (int p = 0; p < P; ++p) acc0[p] = acc1[p] = vec_zero();
        conv_part<P, Weigh::each>(acc0, acc1, xs, list, at, kRun);
#pragma GCC unroll 12
        for (int p = 0; p < P; ++p) {
          sum0[p] = sum0[p] + acc0[p];
          sum1[p] = sum1[p] + acc1[p];
        }
      }
    } else if (list.w) {
      conv_part<P, Weigh::each>(sum0, sum1, xs, list, 0, UINT32_MAX);
    } else {
      conv_part<P, Weigh::ones>(sum0, sum1, xs, list, 0, UINT32_MAX);
    }
    conv_store<P>(a, c, sum0, top);
    if (c + 1 < a->channels) conv_store<P>(a, c + 1, sum1, top);
  }
  if (a->max) *a->max = vec_largest(top) > *a->max ? vec_largest(top) : *a->max;
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
    conv_points<9, false>,
    conv_points<10, false>,
    conv_points<11, false>,
    conv_points<12, false>,
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
#endif
  };
  runs[a->points - 1](a);
}
