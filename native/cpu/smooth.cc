// Smooth activations:  y = φ(z),  c_out = scale * c * a²,  a = φ(z)/z and 0 at z = 0;  a² is kept on request.
// One loop per function, so that the choice is made once and not per element. Single precision throughout.

static inline float expm1_below(float z) { return z < 0 ? expm1f(z) : 0.0f; }

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

// The same with a vector's phi; the end of a range goes through a vector of its own.
template <typename Phi>
static void smooth_vectors(const SmoothArgs* a, Phi phi) {
  const vec zero = vec_zero(), scale = vec_all(a->scale);
  vec top = zero;
  float z_end[kVecFloats], c_end[kVecFloats], y_end[kVecFloats], out_end[kVecFloats], square_end[kVecFloats];
  for (size_t i = 0; i < a->count; i += kVecFloats) {
    const size_t left = a->count - i;
    const bool whole = left >= (size_t)kVecFloats;
    for (int k = 0; !whole && k < kVecFloats; ++k) {
      z_end[k] = k < (int)left ? a->z[i + k] : 0.0f;
      c_end[k] = a->c && k < (int)left ? a->c[i + k] : 0.0f;
    }
    const vec z = vec_load(whole ? a->z + i : z_end);
    const vec y = phi(z);
    if (a->c) {
      const vec ratio = y / z;
      const vec gate = vec_where_above(z, zero, ratio, vec_where_above(zero, z, ratio, zero));
      const vec square = gate * gate;
      const vec v = scale * vec_load(whole ? a->c + i : c_end) * square;
      top = vec_max(v, top);
      vec_store(whole ? a->c_out + i : out_end, v);
      if (a->squares) vec_store(whole ? a->squares + i : square_end, square);
    }
    vec_store(whole ? a->y + i : y_end, y);
    for (int k = 0; !whole && k < (int)left; ++k) {
      a->y[i + k] = y_end[k];
      if (a->c) a->c_out[i + k] = out_end[k];
      if (a->c && a->squares) a->squares[i + k] = square_end[k];
    }
  }
  const float most = vec_largest(top);
  if (most > *a->max) *a->max = most;
}

static void smooth(const SmoothArgs* a) {
  const vec zero = vec_zero(), one = vec_all(1.0f), low = vec_all(a->alpha), high = vec_all(a->beta);
  const auto clip = [](vec z, vec lo, vec hi) {
    return vec_where_above(lo, z, lo, vec_where_above(z, hi, hi, z));
  };
  const auto sigmoid = [=](vec z) { return one / (one + vec_exp(zero - z)); };
  const float alpha = a->alpha, beta = a->beta;
  switch (a->fn) {
    case 3:  // clip
      return smooth_vectors(a, [=](vec z) { return clip(z, low, high); });
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
      return smooth_vectors(
          a, [=](vec z) { return z * sigmoid(vec_all(1.59576912f) * (z + vec_all(0.044715f) * z * z * z)); });
    case 9:  // hard-swish
      return smooth_vectors(a, [=](vec z) { return z * clip(z / vec_all(6.0f) + vec_all(0.5f), zero, one); });
    case 10:  // silu
      return smooth_vectors(a, [=](vec z) { return z * sigmoid(low * z); });
    case 11:  // mish
      // tanh(log(1 + e)) = (e² + 2e) / (e² + 2e + 2), where nothing cancels; it is 1 long before e² overflows.
      return smooth_vectors(a, [=](vec z) {
        const vec e = vec_exp(vec_where_above(z, vec_all(30.0f), vec_all(30.0f), z));
        const vec t = e * e + vec_all(2.0f) * e;
        return z * (t / (t + vec_all(2.0f)));
      });
    default:  // tanh
      return smooth_loop(a, [](float z) { return tanhf(z); });
  }
}
