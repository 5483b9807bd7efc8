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

// y and c_out of one vector.
static inline void leaky_vec(const LeakyArgs* a, size_t i, vec slope, vec scale, vec below, vec& top) {
  const vec z = vec_load(a->z + i), zero = vec_zero();
  if (a->c) {
    const vec factor = vec_where_above(z, zero, scale, vec_where_above(zero, z, below, zero));
    const vec v = factor * vec_load(a->c + i);
    top = vec_max(v, top);
    vec_store(a->c_out + i, v);
  }
  vec_store(a->y + i, vec_where_above(zero, z, slope * z, z));
}

static void leaky(const LeakyArgs* a) {
  if (a->bits) {
    size_t i = 0;
    for (; i + kVecFloats <= a->count; i += kVecFloats)
      vec_positive_bits(vec_load(a->z + i), a->bits + i / 8);
    for (; i < a->count; i += 8) {
      unsigned b = 0;
      for (size_t j = i; j < i + 8 && j < a->count; ++j) b |= (unsigned)(a->z[j] > 0) << (j - i);
      a->bits[i / 8] = (uint8_t)b;
    }
  }
  vec tops = vec_zero();
  float top = *a->max;
  for (size_t at = 0; at < a->count;) {
    const LeakyRun r = next_run(a, at);
    const float under = r.slope * r.slope * a->scale;
    const vec slope = vec_all(r.slope), scale = vec_all(a->scale), below = vec_all(under);
    size_t i = r.begin;
    for (; i + kVecFloats <= r.end; i += kVecFloats) leaky_vec(a, i, slope, scale, below, tops);
    for (; i < r.end; ++i) {
      const float z = a->z[i];
      if (a->c) {
        const float v = (z > 0 ? a->scale : z < 0 ? under : 0.0f) * a->c[i];
        top = v > top ? v : top;
        a->c_out[i] = v;
      }
      a->y[i] = z < 0 ? r.slope * z : z;
    }
    at = r.end;
  }
  const float most = vec_largest(tops);
  *a->max = most > top ? most : top;
}

// c_out = scale * c * (bit ? 1 : slope²)
static void leaky_adjoint(const LeakyArgs* a) {
  vec tops = vec_zero();
  float top = *a->max;
  for (size_t at = 0; at < a->count;) {
    const LeakyRun r = next_run(a, at);
    const float below = r.slope * r.slope * a->scale;
    const vec on = vec_all(a->scale), off = vec_all(below);
    size_t i = r.begin;
    // A run may begin within a byte only where it holds for single floats.
    for (; i % 8 == 0 && i + kVecFloats <= r.end; i += kVecFloats) {
      const vec v = vec_where_bits(a->bits + i / 8, on, off) * vec_load(a->c + i);
      tops = vec_max(v, tops);
      vec_store(a->c_out + i, v);
    }
    for (; i < r.end; ++i) {
      const float v = ((a->bits[i >> 3] >> (i & 7)) & 1 ? a->scale : below) * a->c[i];
      top = v > top ? v : top;
      a->c_out[i] = v;
    }
    at = r.end;
  }
  const float most = vec_largest(tops);
  *a->max = most > top ? most : top;
}

// y = max(0, s[k]*(x - m[k]) + t[k] + plus_factor*plus), k as in affine, and its bits, rounded as one after the other would. In whole
// vectors: segments and the range are.
static void relu(const ReluArgs* a) {
  const AffineArgs& of = a->of;
  const vec zero = vec_zero(), plus_factor = vec_all(a->plus_factor);
  for (size_t at = 0; at < of.count;) {
    const AffineRun r = affine_run(&of, at);
    const vec s = vec_all(r.s), minus = vec_all(-r.m), t = vec_all(r.t);
    for (size_t i = at; i < r.end; i += kVecFloats) {
      vec z = vec_multiply_add(s, vec_load(of.x + i) + minus, t);
      if (a->plus) z = plus_factor * vec_load(a->plus + i) + z;
      if (a->bits) vec_positive_bits(z, a->bits + i / 8);
      vec_store(of.y + i, vec_where_above(zero, z, zero * z, z));
    }
    at = r.end;
  }
}
