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
// limited by; four channels need half as many of them as two, and so few points that what they read of x stays in L1. A single
// channel, as a depthwise layer has, gets as many points as hide latencies. The points of a call are neighbours in x: an address is
// one register and a constant.
//
// Sums are float32 in registers, over one chunk of input channels (the caller's, about a hundred and fifty entries a channel), then
// added to y. f's go in three levels (conv_runs): runs of at most PX_CONV_RUN entries, the chunk, y. Rounding grows with the root of
// each level's length and not of the whole, and that is what keeps gates from flipping forty layers on: a flip is an error of percents
// in single weights' scores. Whether one of the golden cases' networks that hang on a single gate flips it is chance below that: each
// instruction set has a length that flips none. h, g and j have no gates of their own, and nothing cancels in them.

// Sums of Q channels, four or one, at P points.
template <int Q, int P>
struct ConvSums {
  vec at[Q][P];
};
template <int Q, int P>
static inline void conv_clear(ConvSums<Q, P>& sums) {
#pragma GCC unroll 4
  for (int m = 0; m < Q; ++m)
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) sums.at[m][p] = vec_zero();
}

// Some of what is to be read next.
static inline void conv_fetch(ConvAhead* a) {
  if (!a || a->rows == 0) return;
  for (uint32_t n = a->each; n > 0; --n) {
    prefetch_to_l2(a->row + a->line * kLineFloats);
    if (++a->line < a->lines) continue;
    a->line = 0;
    a->row += a->step;
    if (--a->rows == 0) return;
  }
}

// n entries of a set. What several channels want is loaded once, by an instruction of its own.
template <int Q, int P, int Set>
static inline void conv_entries(ConvSums<Q, P>& sums, const float* x, const int32_t*& off, const float*& w,
                                uint32_t n) {
  constexpr int kChannels = set_channels(Set);
  for (; n > 0; --n, ++off) {
    const float* const at = x + *off;
    vec weight[kChannels];
#pragma GCC unroll 4
    for (int k = 0; k < kChannels; ++k) weight[k] = vec_all(w[k]);
    w += kChannels;
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
      vec v = vec_load(at + p * kVecFloats);
      if (kChannels > 1) v = vec_in_register(v);
      int k = 0;
#pragma GCC unroll 4
      for (int m = 0; m < Q; ++m) {
        if (!(Set >> m & 1)) continue;
        sums.at[m][p] = vec_multiply_add(weight[k], v, sums.at[m][p]);
        ++k;
      }
    }
  }
}

// Weights of 1: what a set's channels add is the same for all of them, so that it is added up once. In two sums, as an addition takes
// longer than two loads.
template <int Q, int P, int Set>
static inline void conv_set_ones(ConvSums<Q, P>& sums, const float* x, const int32_t*& off, uint32_t n) {
  if (n == 0) return;
  vec part[2][P];
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p) {
    part[0][p] = vec_load(x + off[0] + p * kVecFloats);
    part[1][p] = vec_zero();
  }
  const int32_t* const end = off + n;
  for (++off; off + 1 < end; off += 2)
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i)
#pragma GCC unroll 8
      for (int p = 0; p < P; ++p) part[i][p] = part[i][p] + vec_load(x + off[i] + p * kVecFloats);
  if (off < end) {
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) part[1][p] = part[1][p] + vec_load(x + off[0] + p * kVecFloats);
    ++off;
  }
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p) {
    const vec all = part[0][p] + part[1][p];
#pragma GCC unroll 4
    for (int m = 0; m < Q; ++m)
      if (Set >> m & 1) sums.at[m][p] = sums.at[m][p] + all;
  }
}

// The same in runs, each summed on its own.
template <int Q, int P, int Set>
static inline void conv_set_runs(ConvSums<Q, P>& sums, const float* x, const int32_t*& off, const float*& w,
                                 uint32_t n) {
  while (n > 0) {
    const uint32_t run = n < PX_CONV_RUN ? n : PX_CONV_RUN;
    n -= run;
    ConvSums<Q, P> part;
    conv_clear(part);
    conv_entries<Q, P, Set>(part, x, off, w, run);
#pragma GCC unroll 4
    for (int m = 0; m < Q; ++m) {
      if (!(Set >> m & 1)) continue;
#pragma GCC unroll 8
      for (int p = 0; p < P; ++p) sums.at[m][p] = sums.at[m][p] + part.at[m][p];
    }
  }
}

enum class ConvKind { plain, runs, ones };

template <int Q, int P, ConvKind Kind, int Set>
static inline void conv_set(ConvSums<Q, P>& sums, const float* x, const int32_t*& off, const float*& w,
                            uint32_t n) {
  if constexpr (Kind == ConvKind::runs)
    conv_set_runs<Q, P, Set>(sums, x, off, w, n);
  else if constexpr (Kind == ConvKind::ones)
    conv_set_ones<Q, P, Set>(sums, x, off, n);
  else
    conv_entries<Q, P, Set>(sums, x, off, w, n);
}

// That set and all before it.
template <int Q, int P, ConvKind Kind, int Set>
static inline void conv_sets(ConvSums<Q, P>& sums, const float* x, const int32_t* off, const float* w,
                             const uint32_t count[kQuadSets], ConvAhead* ahead) {
  if constexpr (Set % kAheadEvery == kAheadEvery - 1 || Q == 1) conv_fetch(ahead);
  conv_set<Q, P, Kind, Set>(sums, x, off, w, count[Set]);
  if constexpr (Set > 1) conv_sets<Q, P, Kind, Set - 1>(sums, x, off, w, count, ahead);
}

// What else is done to one channel's outputs.
template <int P>
static inline void conv_epilogue(const ConvArgs& a, int channel, vec out[P]) {
  const ptrdiff_t at = channel * a.y_channel;
  const vec factor = vec_all(a.factors ? a.factor * a.factors[channel] : a.factor), zero = vec_zero();
  const vec plus_factor = vec_all(a.plus_factor);
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p) {
    out[p] = factor * out[p];
    if (a.plus) out[p] = vec_multiply_add(plus_factor, vec_load(a.plus + at + a.yp[p]), out[p]);
    out[p] = vec_where_bits(a.bits + (at + a.yp[p]) / 8, out[p], zero);
  }
}

// Stores one channel's sums, and its largest value.
template <int P>
static inline void conv_store(const ConvArgs& a, int channel, const vec sum[P], vec& top) {
  float* const y = a.y + channel * a.y_channel;
  const vec bias = vec_all(a.bias ? a.bias[channel] : 0.0f), scale = vec_all(a.scale);
  const vec least = vec_all(a.clamp ? 0.0f : -INFINITY);
  vec out[P];
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p) out[p] = vec_multiply_add(scale, sum[p], bias);
  if (a.add) {
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) out[p] = out[p] + vec_load(y + a.yp[p]);
  }
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p) out[p] = vec_max(out[p], least);
  if (a.bits) conv_epilogue<P>(a, channel, out);
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p) {
    top = vec_max(out[p], top);
    vec_store(y + a.yp[p], out[p]);
  }
}

// Where sums will go is fetched before they are made, as stores would wait for it: into L2 while the quad before is computed, for the way
// from memory is long, and only then into L1, which that quad needs.
template <int P, bool Near>
static inline void conv_expect(const ConvArgs& a, int first, int channels) {
  for (int m = first; m < first + channels; ++m)
    for (int p = 0; p < P; ++p) {
      const float* const y = a.y + m * a.y_channel + a.yp[p];
      Near ? prefetch_to_write(y) : prefetch_to_l2(y);
    }
}

template <int Q, int P, ConvKind Kind>
static void conv_points(const ConvArgs* args) {
  const ConvArgs a = *args;  // what is stored cannot change it
  const float* const x = a.x;
  vec top = vec_zero();
  for (int c = 0; c < a.channels; c += Q) {
    const ConvList& list = a.lists[c / Q];
    const int channels = a.channels - c < Q ? a.channels - c : Q;
    conv_expect<P, true>(a, c, channels);
    const int more = a.far ? a.channels - c - channels : 0;
    conv_expect<P, false>(a, c + channels, more < Q ? more : Q);
    ConvSums<Q, P> sums;
    conv_clear(sums);
    const int32_t* off = list.off;
    const float* w = list.w;
    conv_sets<Q, P, Kind, (1 << Q) - 1>(sums, x, off, w, list.count, a.ahead);
    if (Kind == ConvKind::ones && list.boxed != 0)
      for (int m = 0; m < Q; ++m)
        if (list.boxed >> m & 1)
          for (int p = 0; p < P; ++p) sums.at[m][p] = vec_load(a.start + p * kVecFloats) - sums.at[m][p];
#pragma GCC unroll 4
    for (int m = 0; m < Q; ++m)
      if (m < channels) conv_store<P>(a, c + m, sums.at[m], top);
  }
  if (a.max) *a.max = vec_largest(top) > *a.max ? vec_largest(top) : *a.max;
}

// The kernel for P points.
template <int Q, ConvKind Kind, int P>
static inline void conv_at_most(const ConvArgs* a) {
  if (a->points == P) return conv_points<Q, P, Kind>(a);
  if constexpr (P > 1) conv_at_most<Q, Kind, P - 1>(a);
}

template <ConvKind Kind>
static void conv_of(const ConvArgs* a) {
  if (a->channels == 1) return conv_at_most<1, Kind, PX_ALONE_POINTS>(a);
  conv_at_most<kQuad, Kind, PX_CONV_POINTS>(a);
}

static void conv(const ConvArgs* a) { conv_of<ConvKind::plain>(a); }
static void conv_runs(const ConvArgs* a) { conv_of<ConvKind::runs>(a); }
static void conv_ones(const ConvArgs* a) { conv_of<ConvKind::ones>(a); }
