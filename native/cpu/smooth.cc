// Smooth activations:  y = φ(z),  c_out = scale * c * a²,  a = φ(z)/z and 0 at z = 0;  a² is kept on request.
// One loop per function, so that the choice is made once and not per element. Single precision throughout.

static inline float expm1_below(float z) { return z < 0 ? expm1f(z) : 0.0f; }
static inline float sigmoid(float z) {
  return z >= 0 ? 1.0f / (1.0f + expf(-z)) : expf(z) / (1.0f + expf(z));
}
static inline float softplus(float z) { return z > 20.0f ? z : log1pf(expf(z)); }

template <typename Phi>
static void smooth_loop(const SmoothArgs* a, Phi phi) {
  float top = *a->max;
  for (size_t i = 0; i < a->count; ++i) {
    const float z = a->z[i];
    const float y = phi(z);
    if (a->c) {
      const float gate = z == 0 ? 0.0f : y / z;
      const float square = gate * gate;
      const float v = a->scale * a->c[i] * square;
      top = v > top ? v : top;
      a->c_out[i] = v;
      if (a->squares) a->squares[i] = square;
    }
    a->y[i] = y;
  }
  *a->max = top;
}

static void smooth(const SmoothArgs* a) {
  const float alpha = a->alpha, beta = a->beta;
  switch (a->fn) {
    case 3:  // clip
      return smooth_loop(a, [=](float z) { return z < alpha ? alpha : z > beta ? beta : z; });
    case 4:  // elu
      return smooth_loop(a, [=](float z) { return z < 0 ? alpha * expm1_below(z) : z; });
    case 5:  // selu
      return smooth_loop(a, [=](float z) { return beta * (z < 0 ? alpha * expm1_below(z) : z); });
    case 6:  // celu
      return smooth_loop(a, [=](float z) { return z < 0 ? alpha * expm1_below(z / alpha) : z; });
    case 7:  // gelu
      return smooth_loop(a, [](float z) {
        return 0.5f * z * (z < 0 ? erfcf(-z * 0.70710678f) : 1.0f + erff(z * 0.70710678f));
      });
    case 8:  // gelu-tanh: 1 + tanh(t) = 2·sigmoid(2t)
      return smooth_loop(a, [](float z) { return z * sigmoid(1.59576912f * (z + 0.044715f * z * z * z)); });
    case 9:  // hard-swish
      return smooth_loop(a, [](float z) {
        const float g = z / 6.0f + 0.5f;
        return z * (g < 0 ? 0.0f : g > 1 ? 1.0f : g);
      });
    case 10:  // silu
      return smooth_loop(a, [=](float z) { return z * sigmoid(alpha * z); });
    case 11:  // mish
      return smooth_loop(a, [](float z) { return z * tanhf(softplus(z)); });
    default:  // tanh
      return smooth_loop(a, [](float z) { return tanhf(z); });
  }
}
