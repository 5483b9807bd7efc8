// The weight gradient of a linear step at surviving weights only:
//
//   sum[e] += sum over runs, over i < count: d[run.d + i*d_step] . x[run.x + i*x_step + off[e]]      e < entries (one output channel's)
//
// Plain definition: for e: for run: for i: for l in L: sum[e] += d[..+l] * x[..+l]; the same for d1 and sum1, if there are any
//
// Eight entries share each load of d, and what both channels have each load of x, too; partial sums stay in registers (float32, one a
// lane) over all runs of the call (a band of at most some hundred vectors), then become one float each: long sums have two levels.

// Adds sums to memory. Copied first: what has an address would not be held in registers before.
template <int E>
static inline void grad_store(const vec (&acc)[E], float* sum) {
  vec copy[E];
#pragma GCC unroll 8
  for (int e = 0; e < E; ++e) copy[e] = acc[e];
  if constexpr (E == 8)
    vec_add_sums(copy, sum);
  else
    for (int e = 0; e < E; ++e) sum[e] += vec_sum(copy[e]);
}

// Unit: a run's vectors are neighbours, in d and in x. Not inlined, or its eleven addresses would not find registers.
template <int E, bool Two, bool Unit>
PX_NOT_INLINE static void grad_entries(const GradArgs* a, const int32_t* entries, float* sum, float* sum1) {
  vec acc[E], acc1[E];
  ptrdiff_t off[E];
#pragma GCC unroll 8
  for (int e = 0; e < E; ++e) {
    acc[e] = acc1[e] = vec_zero();
    off[e] = entries[e];
  }
  const ptrdiff_t other = Two ? a->d1 - a->d : 0;
  const ptrdiff_t d_step = Unit ? kVecFloats : a->d_step, x_step = Unit ? kVecFloats : a->x_step;
  for (const GradRun *run = a->runs, *last = run + a->run_count; run < last; ++run) {
    const float* d = a->d + run->d;
    const float* x = a->x + run->x;
    for (const float* const end = d + run->count * d_step; d != end; d += d_step, x += x_step) {
      const vec up = vec_load(d), up1 = Two ? vec_load(d + other) : up;
#pragma GCC unroll 8
      for (int e = 0; e < E; ++e) {
        const vec v = Two ? vec_in_register(vec_load(x + off[e])) : vec_load(x + off[e]);
        acc[e] = vec_multiply_add(up, v, acc[e]);
        if (Two) acc1[e] = vec_multiply_add(up1, v, acc1[e]);
      }
    }
  }
  grad_store(acc, sum);
  if constexpr (Two) grad_store(acc1, sum1);
}

// The last call takes what is left.
template <int E, bool Two, bool Unit>
static inline void grad_rest(const GradArgs* a, uint32_t first) {
  if (a->entries - first == E)
    return grad_entries<E, Two, Unit>(a, a->off + first, a->sum + first, a->sum1 + first);
  if constexpr (E > 1) grad_rest<E - 1, Two, Unit>(a, first);
}

template <bool Two, bool Unit>
static void grad_lists(const GradArgs* a) {
  // As many as registers hold.
  constexpr uint32_t kMost = Two && PX_VEC_BYTES < 64 ? 4 : 8;
  uint32_t e = 0;
  for (; e + kMost <= a->entries; e += kMost)
    grad_entries<kMost, Two, Unit>(a, a->off + e, a->sum + e, a->sum1 + e);
  grad_rest<kMost - 1, Two, Unit>(a, e);
}

static void grad(const GradArgs* a) {
  if (a->d_step == kVecFloats && a->x_step == kVecFloats)
    a->d1 ? grad_lists<true, true>(a) : grad_lists<false, true>(a);
  else
    a->d1 ? grad_lists<true, false>(a) : grad_lists<false, false>(a);
}

// sum[m] += sum over points: d[dp + m] * x[xp .. two vectors]      m < outs
template <int M>
static inline void outer_products(const OuterArgs* a) {
  vec acc0[M], acc1[M];
#pragma GCC unroll 4
  for (int m = 0; m < M; ++m) acc0[m] = acc1[m] = vec_zero();
  for (int p = 0; p < a->points; ++p) {
    const float* d = a->d + a->dp[p];
    const float* x = a->x + a->xp[p];
    const vec x0 = vec_in_register(vec_load(x)), x1 = vec_in_register(vec_load(x + kVecFloats));
#pragma GCC unroll 4
    for (int m = 0; m < M; ++m) {
      const vec up = vec_all(d[m]);
      acc0[m] = acc0[m] + up * x0;
      acc1[m] = acc1[m] + up * x1;
    }
  }
#pragma GCC unroll 4
  for (int m = 0; m < M; ++m) {
    float* s = a->sum + m * a->sum_step;
    vec_store(s, vec_load(s) + acc0[m]);
    vec_store(s + kVecFloats, vec_load(s + kVecFloats) + acc1[m]);
  }
}

static void outer(const OuterArgs* a) {
  switch (a->outs) {
    case 1:
      return outer_products<1>(a);
    case 2:
      return outer_products<2>(a);
    case 3:
      return outer_products<3>(a);
    default:
      return outer_products<4>(a);
  }
}
