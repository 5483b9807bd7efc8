// One axis of a Kronecker product (fixed steps), and of a maximum (max gates): rows of [inner] contiguous floats.
//
//   y[o] = scale * sum over entries e of row o of value[e] * x[index[e]]        rows without entries: fill
static void axis(const AxisArgs* a) {
  float top = a->max ? *a->max : 0.0f;
  for (int o = 0; o < a->rows; ++o) {
    float* y = a->y + o * a->inner;
    const uint32_t lo = a->start[o], hi = a->start[o + 1];
    if (lo == hi) {
      for (size_t i = 0; i < a->inner; ++i) y[i] = a->fill;
      continue;
    }
    const float* x = a->x + a->index[lo] * a->inner;
    const float first = a->value[lo] * a->scale;
    for (size_t i = 0; i < a->inner; ++i) y[i] = first * x[i];
    for (uint32_t e = lo + 1; e < hi; ++e) {
      const float* more = a->x + a->index[e] * a->inner;
      const float v = a->value[e] * a->scale;
      for (size_t i = 0; i < a->inner; ++i) y[i] += v * more[i];
    }
    if (a->max)
      for (size_t i = 0; i < a->inner; ++i) top = y[i] > top ? y[i] : top;
  }
  if (a->max) *a->max = top;
}

//   f_out[o] = max over entries of f[index]; c_out takes the companion of the entry f chose, the first on ties.
// Axis after axis, slow axis last, this is the first maximum in row-major order of the whole window.
static void axis_max(const AxisMaxArgs* a) {
  for (int o = 0; o < a->rows; ++o) {
    float* y = a->f_out + o * a->inner;
    float* h = a->c ? a->c_out + o * a->inner : nullptr;
    uint32_t* k = a->choice ? a->choice + o * a->inner : nullptr;
    const uint32_t lo = a->start[o], hi = a->start[o + 1];
    for (uint32_t e = lo; e < hi; ++e) {
      const float* x = a->f + a->index[e] * a->inner;
      const float* c = a->c ? a->c + a->index[e] * a->inner : nullptr;
      for (size_t i = 0; i < a->inner; ++i) {
        const bool take = e == lo || x[i] > y[i];
        y[i] = take ? x[i] : y[i];
        if (h) h[i] = take ? c[i] : h[i];
        if (k) k[i] = take ? e - lo : k[i];
      }
    }
  }
}
