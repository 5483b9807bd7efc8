// The weight gradient of a linear step at surviving weights only:
//
//   sum[e] += sum over runs, over i < count: d[run.d + i*d_step] . x[run.x + i*x_step + off[e]]      e < entries (one output channel's)
//
// Plain definition: for e: for run: for i: for l in L: sum[e] += d[..+l] * x[..+l]; the same for d1 and sum1, if there are any
//
// Eight entries share each load of d, and what both channels have each load of x, too; partial sums stay in registers (float32, one a
// lane) over all runs of the call (a band of at most some hundred vectors), then become one float each: long sums have two levels.

template <int E, bool Two>
static inline void grad_entries(const GradArgs* a, const int32_t* off, float* sum, float* sum1) {
  vec acc[E], acc1[E];
  ptrdiff_t o[E];
#pragma GCC unroll 8
  for (int e = 0; e < E; ++e) {
    acc[e] = acc1[e] = vec_zero();
    o[e] = off[e];
  }
  for (int r = 0; r < a->run_count; ++r) {
    const float* d = a->d + a->runs[r].d;
    const ptrdiff_t other = Two ? a->d1 - a->d : 0;
    const float* x = a->x + a->runs[r].x;
    for (int i = 0; i < a->runs[r].count; ++i) {
      const vec up = vec_load(d), up1 = vec_load(d + other);
#pragma GCC unroll 8
      for (int e = 0; e < E; ++e) {
        const vec v = Two ? vec_in_register(vec_load(x + o[e])) : vec_load(x + o[e]);
        acc[e] = acc[e] + up * v;
        if (Two) acc1[e] = acc1[e] + up1 * v;
      }
      d += a->d_step;
      x += a->x_step;
    }
  }
  if (E == 8) {
    vec_add_sums(acc, sum);
    if (Two) vec_add_sums(acc1, sum1);
  } else {
    for (int e = 0; e < E; ++e) sum[e] += vec_sum(acc[e]);
    if (Two)
      for (int e = 0; e < E; ++e) sum1[e] += vec_sum(acc1[e]);
  }
}

template <bool Two>
static inline void grad_lists(const GradArgs* a) {
  // As many as registers hold, the last call takes what is left.
  constexpr uint32_t kMost = Two && PX_VEC_BYTES < 64 ? 4 : 8;
  uint32_t e = 0;
  for (; e + kMost <= a->entries; e += kMost)
    grad_entries<kMost, Two>(a, a->off + e, a->sum + e, a->sum1 + e);
  const int32_t* const off = a->off + e;
  float *const sum = a->sum + e, *const sum1 = a->sum1 + e;
  switch (a->entries - e) {
    case 1:
      return grad_entries<1, Two>(a, off, sum, sum1);
    case 2:
      return grad_entries<2, Two>(a, off, sum, sum1);
    case 3:
      return grad_entries<3, Two>(a, off, sum, sum1);
    case 4:
      return grad_entries<4, Two>(a, off, sum, sum1);
    case 5:
      return grad_entries<5, Two>(a, off, sum, sum1);
    case 6:
      return grad_entries<6, Two>(a, off, sum, sum1);
    case 7:
      return grad_entries<7, Two>(a, off, sum, sum1);
    default:
      return;
  }
}

static void grad(const GradArgs* a) { a->d1 ? grad_lists<true>(a) : grad_lists<false>(a); }

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
