// The weight gradient of a linear step, at places where some of up to four neighbouring output channels have a weight:
//
//   sum[e][m] += sum over runs, over i < count: d[m][run.d + i*d_step] . x[run.x + i*x_step + off[e]]   e < entries, m < channels
//
// Plain definition: for e: for m: for run: for i: for l in L: sum[e][m] += d[m][.. + l] * x[.. + l]
//
// Four channels share each load of x, and some entries each load of d: as many as have their sums in registers (float32, one a lane)
// over all runs of the call, a band of at most some hundred vectors; then they become one float each: long sums have two levels.

// sum[i] += what the lanes of acc[i] add up to. Copied first: what has an address would not have been held in registers.
template <int N>
static inline void grad_store(const vec (&acc)[N], float* sum) {
  vec copy[N];
#pragma GCC unroll 24
  for (int i = 0; i < N; ++i) copy[i] = acc[i];
  constexpr int kEights = N / 8 * 8;
  for (int i = 0; i < kEights; i += 8) vec_add_sums(copy + i, sum + i);
  for (int i = kEights; i < N; ++i) sum[i] += vec_sum(copy[i]);
}

// E entries of M channels. Unit: a run's vectors are neighbours, in d and in x. Not inlined, or its addresses would not find registers.
template <int E, int M, bool Unit>
PX_NOT_INLINE static void grad_entries(const GradArgs* a, uint32_t first) {
  vec acc[E * M];
  ptrdiff_t off[E];
#pragma GCC unroll 24
  for (int i = 0; i < E * M; ++i) acc[i] = vec_zero();
#pragma GCC unroll 24
  for (int e = 0; e < E; ++e) off[e] = in_register(static_cast<ptrdiff_t>(a->off[first + e]));
  const ptrdiff_t channel = a->d_channel;
  const ptrdiff_t d_step = Unit ? kVecFloats : a->d_step, x_step = Unit ? kVecFloats : a->x_step;
  for (const GradRun *run = a->runs, *last = run + a->run_count; run < last; ++run) {
    const float* d = a->d + run->d;
    const float* x = a->x + run->x;
    for (int left = run->count; left > 0; --left, d += d_step, x += x_step) {
      vec up[M];
#pragma GCC unroll 4
      for (int m = 0; m < M; ++m) up[m] = vec_load(d + m * channel);
#pragma GCC unroll 8
      for (int e = 0; e < E; ++e) {
        const vec v = M > 1 ? vec_in_register(vec_load(x + off[e])) : vec_load(x + off[e]);
#pragma GCC unroll 4
        for (int m = 0; m < M; ++m) acc[e * M + m] = vec_multiply_add(up[m], v, acc[e * M + m]);
      }
    }
  }
  grad_store(acc, a->sum + first * M);
}

// The last call takes what is left.
template <int E, int M, bool Unit>
static inline void grad_rest(const GradArgs* a, uint32_t first) {
  if constexpr (E > 0) {
    if (a->entries - first == E) return grad_entries<E, M, Unit>(a, first);
    grad_rest<E - 1, M, Unit>(a, first);
  }
}

template <int Most, int M, bool Unit>
static void grad_lists(const GradArgs* a) {
  uint32_t e = 0;
  for (; e + Most <= a->entries; e += Most) grad_entries<Most, M, Unit>(a, e);
  grad_rest<Most - 1, M, Unit>(a, e);
}

static void grad(const GradArgs* a) {
  constexpr int kPairs = PX_VEC_BYTES == 64 ? 8 : 4;
  const bool unit = a->d_step == kVecFloats && a->x_step == kVecFloats;
  switch (a->channels) {
    case 1:
      return unit ? grad_lists<8, 1, true>(a) : grad_lists<8, 1, false>(a);
    case 2:
      return unit ? grad_lists<kPairs, 2, true>(a) : grad_lists<kPairs, 2, false>(a);
    case 3:
      return grad_lists<PX_GRAD_ENTRIES, 3, false>(a);
    default:
      return unit ? grad_lists<PX_GRAD_ENTRIES, 4, true>(a) : grad_lists<PX_GRAD_ENTRIES, 4, false>(a);
  }
}

// sum[m][v] += sum over points: d[dp + m] * x[xp + v vectors]      m < outs, v < vectors
//
// As many sums as registers hold; of fewer vectors, more floats of d, for an addition takes as long as eight others.
static constexpr int kOuterVectors = PX_OUTER_SUMS / 4;
template <int M, int V>
static void outer_products(const OuterArgs* a) {
  vec acc[M][V];
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) acc[m][v] = vec_zero();
  for (int p = 0; p < a->points; ++p) {
    const float* d = a->d + a->dp[p];
    const float* at = a->x + a->xp[p];
    vec x[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) x[v] = vec_in_register(vec_load(at + v * kVecFloats));
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
      const vec up = vec_all(d[m * a->d_step]);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) acc[m][v] = vec_multiply_add(up, x[v], acc[m][v]);
    }
  }
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) {
    float* const sum = a->sum + m * a->sum_step;
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) vec_store(sum + v * kVecFloats, vec_load(sum + v * kVecFloats) + acc[m][v]);
  }
}

// The kernel for so many floats of d, and for so many vectors of x.
template <int M, int V>
static inline void outer_outs(const OuterArgs* a) {
  if (a->outs == M) return outer_products<M, V>(a);
  if constexpr (M > 1) outer_outs<M - 1, V>(a);
}
template <int V>
static inline void outer_of(const OuterArgs* a) {
  constexpr int kOuts = PX_OUTER_SUMS < V * kOuterOuts ? PX_OUTER_SUMS / V : kOuterOuts;
  if (a->vectors == V) return outer_outs<kOuts, V>(a);
  if constexpr (V > 1) outer_of<V - 1>(a);
}
static void outer(const OuterArgs* a) { outer_of<kOuterVectors>(a); }
