// Gates whose factor is 1 above zero and a slope below: ReLU (slope 0), LeakyReLU, PReLU.
//
//   y = z < 0 ? slope*z : z        c_out = scale * c * a²,  a = 1 (z > 0), slope (z < 0), 0 (z = 0)
//   bits = (z > 0), one a float: all the adjoint needs, for nothing that carries a path has z = 0 downstream of it
//
// f and its companion are done together because they share the load of z.

struct LeakyRun {
  size_t begin, end;  // within the range
  float slope;
};

// The next stretch of one slope; `at` moves on.
static inline LeakyRun next_run(const LeakyArgs* a, size_t at) {
  const size_t place = a->first + at, segment = place / a->segment;
  const size_t left = (segment + 1) * a->segment - place;
  const size_t end = left < a->count - at ? at + left : a->count;
  return LeakyRun{at, end, a->slope[segment % a->slopes]};
}

static void leaky(const LeakyArgs* a) {
  if (a->bits) {
    size_t i = 0;
    for (; i + 8 <= a->count; i += 8) {
      unsigned b = 0;
      for (int j = 0; j < 8; ++j) b |= (unsigned)(a->z[i + j] > 0) << j;
      a->bits[i / 8] = (uint8_t)b;
    }
    if (i < a->count) a->bits[i / 8] = 0;
    for (; i < a->count; ++i) a->bits[i / 8] |= (uint8_t)((a->z[i] > 0) << (i & 7));
  }
  float top = *a->max;
  for (size_t at = 0; at < a->count;) {
    const LeakyRun r = next_run(a, at);
    if (a->c) {
      const float below = r.slope * r.slope * a->scale;
      for (size_t i = r.begin; i < r.end; ++i) {
        const float z = a->z[i];
        const float factor = z > 0 ? a->scale : z < 0 ? below : 0.0f;
        const float v = factor * a->c[i];
        top = v > top ? v : top;
        a->c_out[i] = v;
      }
    }
    for (size_t i = r.begin; i < r.end; ++i) a->y[i] = a->z[i] < 0 ? r.slope * a->z[i] : a->z[i];
    at = r.end;
  }
  *a->max = top;
}

// c_out = scale * c * (bit ? 1 : slope²)
static void leaky_adjoint(const LeakyArgs* a) {
  float top = *a->max;
  for (size_t at = 0; at < a->count;) {
    const LeakyRun r = next_run(a, at);
    const float below = r.slope * r.slope * a->scale;
    for (size_t i = r.begin; i < r.end; ++i) {
      const float v = ((a->bits[i >> 3] >> (i & 7)) & 1 ? a->scale : below) * a->c[i];
      top = v > top ? v : top;
      a->c_out[i] = v;
    }
    at = r.end;
  }
  *a->max = top;
}
