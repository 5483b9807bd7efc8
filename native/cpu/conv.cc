// Linear steps: convolution, its adjoint, transposed convolution and dense layers are all this one loop.
//
//   y[m][l] = scale * sum_t sum_c w[t][c][m] * x[tap t + c*x_channel][l] + bias[m]        for each point
//
// The plain definition:
//   for m in rows: for l in L: s = 0; for t: for c in C: s += w[t][c][m] * x[...]; y[m][l] = scale * s + bias[m]
//
// x is [channel][position][L lanes], so a load is never unaligned to a lane vector and no edge is tested: a point's tap list holds
// only taps that fall inside. M is cut into blocks of kConvBlock channels whose sums stay in registers. Sums are float32 in two levels,
// runs of kRun channels and the sum of the runs, in the order t, then c: rounding grows with the root of each level and not of
// T·C, which is what keeps gates from flipping forty layers on. One call serves one block of channels over a tile of points, so the block's weights stay in L1.

constexpr int kRun = 64;

// acc[m] = sum over `channels` of w[c][m] * x[c]
template <int V, int M>
static inline void conv_run(v8 acc[M][V], const float* x, ptrdiff_t x_channel, const float* w, int channels) {
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) acc[m][v] = v8_zero();
  for (int c = 0; c < channels; ++c, x += x_channel, w += M) {
    v8 in[V];
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) in[v] = v8_load(x + 8 * v);
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m)
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) v8_add_scaled(acc[m][v], w[m], in[v]);
  }
}

template <int L, int M>
static void conv_points(const ConvArgs* a) {
  constexpr int V = L / 8;
  v8 top[V];
  for (int v = 0; v < V; ++v) top[v] = v8_zero();
  for (int p = 0; p < a->point_count; ++p) {
    const ConvPoint& point = a->points[p];
    v8 total[M][V];
    for (int m = 0; m < M; ++m)
      for (int v = 0; v < V; ++v) total[m][v] = v8_zero();
    for (int t = 0; t < point.count; ++t) {
      const Tap& tap = a->taps[point.first + t];
      for (int c = 0; c < a->channels; c += kRun) {
        const int run = a->channels - c < kRun ? a->channels - c : kRun;
        v8 acc[M][V];
        conv_run<V, M>(acc, a->x + tap.x + c * a->x_channel, a->x_channel, a->w + tap.w + c * M, run);
#pragma GCC unroll 8
        for (int m = 0; m < M; ++m)
#pragma GCC unroll 2
          for (int v = 0; v < V; ++v) v8_add(total[m][v], acc[m][v]);
      }
    }
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
      if (m >= a->rows) break;
      float* y = a->y + point.y + m * a->y_channel;
      const float bias = a->bias ? a->bias[m] : 0.0f;
      const float biases[8] = {bias, bias, bias, bias, bias, bias, bias, bias};
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) {
        v8 out = v8_load(biases);
        v8_add_scaled(out, a->scale, total[m][v]);
        v8_max(top[v], out);
        v8_store(y + 8 * v, out);
      }
    }
  }
  if (a->max)
    for (int v = 0; v < V; ++v) {
      const float m = v8_largest(top[v]);
      if (m > *a->max) *a->max = m;
    }
}

// Weight gradient of a tile:  sum[m][c][l] += sum over points of d[m][point][l] * x[c][point][l], 8 partial sums a pair.
// A call's own sum is kept in registers and added once, so long sums are pairwise in two levels.
template <int L, int M, int C>
static void grad_tile(const GradArgs* a) {
  v8 acc[M][C];
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) acc[m][c] = v8_zero();
  for (int p = 0; p < a->points; ++p) {
    const float* x = a->x + p * a->x_step;
    const float* d = a->d + p * a->d_step;
#pragma GCC unroll 2
    for (int v = 0; v < L; v += 8) {
      v8 xs[C];
#pragma GCC unroll 8
      for (int c = 0; c < C; ++c) xs[c] = v8_load(x + c * a->x_channel + v);
#pragma GCC unroll 8
      for (int m = 0; m < M; ++m) {
        const v8 up = v8_load(d + m * a->d_channel + v);
#pragma GCC unroll 8
        for (int c = 0; c < C; ++c) v8_add_product(acc[m][c], up, xs[c]);
      }
    }
  }
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) {
      float* s = a->sum + (m * kGradCols + c) * 8;
      v8_add(acc[m][c], v8_load(s));
      v8_store(s, acc[m][c]);
    }
}

template <int L, int M>
static void grad_cols(const GradArgs* a) {
  if (a->cols == 1) return grad_tile<L, M, 1>(a);
  if (a->cols == 2) return grad_tile<L, M, 2>(a);
  grad_tile<L, M, 3>(a);
}

template <int L>
static void grad(const GradArgs* a) {
  if (a->rows == 1) return grad_cols<L, 1>(a);
  if (a->rows == 2) return grad_cols<L, 2>(a);
  if (a->rows == 3) return grad_cols<L, 3>(a);
  grad_cols<L, 4>(a);
}
