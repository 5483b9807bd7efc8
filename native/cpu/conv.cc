// Linear steps: convolution, its adjoint, transposed convolution and dense layers are all this one loop over surviving weights.
//
//   y[m][p] (+)= scale * ( start[m][p] + sum over entries e of channel m: w_e * x[vector p + offset e] ) + bias[m]
//
// The plain definition:
//   for m in M: for p in points: for l in L: s = start; for e in list[m]: s += w[e] * x[p*L + off[e] + l]; y = scale*s + bias
//
// A vector is L floats: the lanes of one position, or L neighbouring positions of one sample. Output channels go in fours, and a
// quad's weights are sorted by which of its channels survive, so that a load serves every channel that wants it and hardly any
// multiplication is by zero: the cost falls with density, and at density 1 this is a dense kernel. Loads are what sparse sums are
// limited by; four channels need half as many of them as two, and so few points that what they read of x stays in L1. The points
// of a call are neighbours in x: an address is one register and a constant.
//
// Sums are float32 in registers, over one chunk of input channels (the caller's, about a hundred and fifty entries a channel), then
// added to y. f's go in three levels (conv_runs): runs of at most PX_CONV_RUN entries, the chunk, y. Rounding grows with the root of
// each level's length and not of the whole, and that is what keeps gates from flipping forty layers on: a flip is an error of percents
// in single weights' scores. Whether one of the golden cases' networks that hang on a single gate flips it is chance below that: each
// instruction set has a length that flips none. h, g and j have no gates of their own, and nothing cancels in them.

// A quad's sums at P points: [channel][point].
template <int P>
struct ConvSums {
  vec at[kQuad][P];
};

// n entries of a set. What several channels want is loaded once, by an instruction of its own.
template <int P, int Set, bool Ones>
static inline void conv_entries(ConvSums<P>& sums, const float* x, const int32_t*& off, const float*& w,
                                uint32_t n) {
  constexpr int kChannels = set_channels(Set);
  for (; n > 0; --n, ++off) {
    const float* const at = x + *off;
    vec weight[kChannels];
    if (!Ones) {
#pragma GCC unroll 4
      for (int k = 0; k < kChannels; ++k) weight[k] = vec_all(w[k]);
      w += kChannels;
    }
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
      vec v = vec_load(at + p * kVecFloats);
      if (kChannels > 1) v = vec_in_register(v);
      int k = 0;
#pragma GCC unroll 4
      for (int m = 0; m < kQuad; ++m) {
        if (!(Set >> m & 1)) continue;
        sums.at[m][p] = sums.at[m][p] + (Ones ? v : weight[k] * v);
        ++k;
      }
    }
  }
}

// The same in runs, each summed on its own.
template <int P, int Set>
static inline void conv_set_runs(ConvSums<P>& sums, const float* x, const int32_t*& off, const float*& w,
                                 uint32_t n) {
  while (n > 0) {
    const uint32_t run = n < PX_CONV_RUN ? n : PX_CONV_RUN;
    n -= run;
    ConvSums<P> part;
#pragma GCC unroll 4
    for (int m = 0; m < kQuad; ++m)
#pragma GCC unroll 8
      for (int p = 0; p < P; ++p) part.at[m][p] = vec_zero();
    conv_entries<P, Set, false>(part, x, off, w, run);
#pragma GCC unroll 4
    for (int m = 0; m < kQuad; ++m) {
      if (!(Set >> m & 1)) continue;
#pragma GCC unroll 8
      for (int p = 0; p < P; ++p) sums.at[m][p] = sums.at[m][p] + part.at[m][p];
    }
  }
}

enum class ConvKind { plain, runs, ones };

template <int P, ConvKind Kind, int Set>
static inline void conv_set(ConvSums<P>& sums, const float* x, const int32_t*& off, const float*& w,
                            uint32_t n) {
  if constexpr (Kind == ConvKind::runs)
    conv_set_runs<P, Set>(sums, x, off, w, n);
  else
    conv_entries<P, Set, Kind == ConvKind::ones>(sums, x, off, w, n);
}

// Stores one channel's sums, and its largest value.
template <int P>
static inline void conv_store(const ConvArgs& a, int channel, const vec sum[P], vec& top) {
  float* const y = a.y + channel * a.y_channel;
  const vec bias = vec_all(a.bias ? a.bias[channel] : 0.0f), scale = vec_all(a.scale);
  const vec least = vec_all(a.clamp ? 0.0f : -INFINITY);
  vec out[P];
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p) out[p] = bias + scale * sum[p];
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

template <int P, ConvKind Kind>
static void conv_points(const ConvArgs* args) {
  const ConvArgs a = *args;  // what is stored cannot change it
  const float* const x = a.x;
  vec top = vec_zero();
  for (int c = 0; c < a.channels; c += kQuad) {
    const ConvList& list = a.lists[c / kQuad];
    const int channels = a.channels - c < kQuad ? a.channels - c : kQuad;
    // Where the sums will go is fetched meanwhile: stores would wait for it.
    for (int m = 0; m < channels; ++m)
      for (int p = 0; p < P; ++p) prefetch_to_write(a.y + (c + m) * a.y_channel + a.yp[p]);
    ConvSums<P> sums;
#pragma GCC unroll 4
    for (int m = 0; m < kQuad; ++m)
#pragma GCC unroll 8
      for (int p = 0; p < P; ++p) sums.at[m][p] = vec_zero();
    const int32_t* off = list.off;
    const float* w = list.w;
    conv_set<P, Kind, 15>(sums, x, off, w, list.count[15]);
    conv_set<P, Kind, 14>(sums, x, off, w, list.count[14]);
    conv_set<P, Kind, 13>(sums, x, off, w, list.count[13]);
    conv_set<P, Kind, 12>(sums, x, off, w, list.count[12]);
    conv_set<P, Kind, 11>(sums, x, off, w, list.count[11]);
    conv_set<P, Kind, 10>(sums, x, off, w, list.count[10]);
    conv_set<P, Kind, 9>(sums, x, off, w, list.count[9]);
    conv_set<P, Kind, 8>(sums, x, off, w, list.count[8]);
    conv_set<P, Kind, 7>(sums, x, off, w, list.count[7]);
    conv_set<P, Kind, 6>(sums, x, off, w, list.count[6]);
    conv_set<P, Kind, 5>(sums, x, off, w, list.count[5]);
    conv_set<P, Kind, 4>(sums, x, off, w, list.count[4]);
    conv_set<P, Kind, 3>(sums, x, off, w, list.count[3]);
    conv_set<P, Kind, 2>(sums, x, off, w, list.count[2]);
    conv_set<P, Kind, 1>(sums, x, off, w, list.count[1]);
    if (list.joined)
      for (int p = 0; p < P; ++p)
        sums.at[0][p] = (sums.at[0][p] + sums.at[1][p]) + (sums.at[2][p] + sums.at[3][p]);
    if (Kind == ConvKind::ones && list.boxed != 0)
      for (int m = 0; m < kQuad; ++m)
        if (list.boxed >> m & 1)
          for (int p = 0; p < P; ++p) sums.at[m][p] = vec_load(a.start + p * kVecFloats) - sums.at[m][p];
    conv_store<P>(a, c, sums.at[0], top);
    if (channels > 1) conv_store<P>(a, c + 1, sums.at[1], top);
    if (channels > 2) conv_store<P>(a, c + 2, sums.at[2], top);
    if (channels > 3) conv_store<P>(a, c + 3, sums.at[3], top);
  }
  if (a.max) *a.max = vec_largest(top) > *a.max ? vec_largest(top) : *a.max;
}

// By number of points.
template <ConvKind Kind>
static void conv_of(const ConvArgs* a) {
  static void (*const by_points[])(const ConvArgs*) = {
    conv_points<1, Kind>,
#if PX_CONV_POINTS > 1
    conv_points<2, Kind>,
#endif
#if PX_CONV_POINTS > 2
    conv_points<3, Kind>,
#endif
#if PX_CONV_POINTS > 3
    conv_points<4, Kind>,
#endif
  };
  by_points[a->points - 1](a);
}

static void conv(const ConvArgs* a) { conv_of<ConvKind::plain>(a); }
static void conv_runs(const ConvArgs* a) { conv_of<ConvKind::runs>(a); }
static void conv_ones(const ConvArgs* a) { conv_of<ConvKind::ones>(a); }
