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
// f's go in three levels (`runs`): runs of kRun entries, the chunk, y. Rounding grows with the root of each level's length and not of the
// whole, and that is what keeps gates from flipping forty layers on: a flip is an error of percents in single weights' scores. h, g and
// j have no gates of their own, and nothing cancels in them.

static constexpr uint32_t kRun = 8;
static constexpr uint32_t kShort = 12;  // lists up to this length are one run

// How a list's weights are used: all ones; as they are; as they are, in runs.
enum class Weigh { ones, plain, runs };

// acc[p] += w * x[p] over n entries that one of the two channels has.
template <int P, Weigh W>
static inline void conv_one(vec acc[P], const float* const xs[P], const int32_t* off, const float* w,
                            uint32_t n) {
  for (uint32_t i = 0; i < n; ++i) {
    const ptrdiff_t o = off[i];
    const vec ws = W == Weigh::ones ? vec_zero() : vec_all(w[i]);
#pragma GCC unroll 12
    for (int p = 0; p < P; ++p) {
      const vec x = vec_load(xs[p] + o);
      acc[p] = W == Weigh::ones ? acc[p] + x : acc[p] + ws * x;
    }
  }
}

// Likewise over n entries that both have.
template <int P, Weigh W>
static inline void conv_two(vec acc0[P], vec acc1[P], const float* const xs[P], const int32_t* off,
                            const float* w, uint32_t n) {
  for (uint32_t i = 0; i < n; ++i) {
    const ptrdiff_t o = off[i];
    const vec w0 = W == Weigh::ones ? vec_zero() : vec_all(w[2 * i]),
              w1 = W == Weigh::ones ? vec_zero() : vec_all(w[2 * i + 1]);
#pragma GCC unroll 12
    for (int p = 0; p < P; ++p) {
      const vec x = vec_load(xs[p] + o);
      acc0[p] = W == Weigh::ones ? acc0[p] + x : acc0[p] + w0 * x;
      acc1[p] = W == Weigh::ones ? acc1[p] + x : acc1[p] + w1 * x;
    }
  }
}

template <int P>
static inline void flush(vec acc[P], vec total[P]) {
#pragma GCC unroll 12
  for (int p = 0; p < P; ++p) {
    total[p] = total[p] + acc[p];
    acc[p] = vec_zero();
  }
}

template <int P>
static inline void conv_runs(vec total0[P], vec total1[P], const float* const xs[P], const ConvList& list) {
  const int32_t* off = list.off;
  const float* w = list.w;
  vec acc0[P], acc1[P];
#pragma GCC unroll 12
  for (int p = 0; p < P; ++p) acc0[p] = acc1[p] = vec_zero();
  for (uint32_t left = list.both; left > 0;) {
    const uint32_t n = left < kRun ? left : kRun;
    conv_two<P, Weigh::plain>(acc0, acc1, xs, off, w, n);
    flush<P>(acc0, total0);
    flush<P>(acc1, total1);
    off += n, w += 2 * n, left -= n;
  }
  for (uint32_t left = list.first; left > 0;) {
    const uint32_t n = left < kRun ? left : kRun;
    conv_one<P, Weigh::plain>(acc0, xs, off, w, n);
    flush<P>(acc0, total0);
    off += n, w += n, left -= n;
  }
  for (uint32_t left = list.second; left > 0;) {
    const uint32_t n = left < kRun ? left : kRun;
    conv_one<P, Weigh::plain>(acc1, xs, off, w, n);
    flush<P>(acc1, total1);
    off += n, w += n, left -= n;
  }
}

template <int P, Weigh W>
static inline void conv_list(vec acc0[P], vec acc1[P], const float* const xs[P], const ConvList& list) {
  const int32_t* off = list.off;
  const float* w = list.w;
  conv_two<P, W>(acc0, acc1, xs, off, w, list.both);
  off += list.both;
  if (W != Weigh::ones) w += 2 * list.both;
  conv_one<P, W>(acc0, xs, off, w, list.first);
  off += list.first;
  if (W != Weigh::ones) w += list.first;
  conv_one<P, W>(acc1, xs, off, w, list.second);
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

template <int P>
static void conv_points(const ConvArgs* a) {
  const float* xs[P];
#pragma GCC unroll 12
  for (int p = 0; p < P; ++p) xs[p] = a->x + a->xp[p];
  vec top = vec_zero();
  for (int c = 0; c < a->channels; c += 2) {
    const ConvList& list = a->lists[c / 2];
    vec acc0[P], acc1[P];
#pragma GCC unroll 12
    for (int p = 0; p < P; ++p) {
      acc0[p] = list.boxed & 1 ? vec_load(a->start + p * kVecFloats) : vec_zero();
      acc1[p] = list.boxed & 2 ? vec_load(a->start + p * kVecFloats) : vec_zero();
    }
    const uint32_t longest = list.both + (list.first > list.second ? list.first : list.second);
    if (!list.w)
      conv_list<P, Weigh::ones>(acc0, acc1, xs, list);
    else if (a->runs && longest > kShort)
      conv_runs<P>(acc0, acc1, xs, list);
    else
      conv_list<P, Weigh::plain>(acc0, acc1, xs, list);
    conv_store<P>(a, c, acc0, top);
    if (c + 1 < a->channels) conv_store<P>(a, c + 1, acc1, top);
  }
  if (a->max) *a->max = vec_largest(top) > *a->max ? vec_largest(top) : *a->max;
}

static void conv(const ConvArgs* a) {
  switch (a->points) {
    case 1:
      return conv_points<1>(a);
    case 2:
      return conv_points<2>(a);
    case 3:
      return conv_points<3>(a);
#if PX_CONV_POINTS > 3
    case 4:
      return conv_points<4>(a);
    case 5:
      return conv_points<5>(a);
    case 6:
      return conv_points<6>(a);
#endif
#if PX_CONV_POINTS > 6
    case 7:
      return conv_points<7>(a);
    case 8:
      return conv_points<8>(a);
    case 9:
      return conv_points<9>(a);
    case 10:
      return conv_points<10>(a);
    case 11:
      return conv_points<11>(a);
    case 12:
      return conv_points<12>(a);
#endif
    default:
      return;
  }
}
