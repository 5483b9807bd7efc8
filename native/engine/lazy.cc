#include "lazy.h"

#include <string.h>

namespace px {
namespace {

// Channels that repeat are spelled out, times the factor.
void spell_out(const Env& env, Grid grid, size_t elements, const Value& v, size_t lo, size_t hi, float* out) {
  const size_t run = v.plane * grid.lanes, whole = elements * grid.lanes;
  while (lo < hi) {
    const size_t block = lo / whole, place = lo % whole, channel = place / run;
    const size_t n = std::min(hi - lo, run - place % run);
    const float* from = v.data.get() + block * (whole / v.repeat) + channel / v.repeat * run + place % run;
    env.kernels.scale(from, out, n, v.factor);
    lo += n;
    out += n;
  }
}

}  // namespace

void evaluate(const Env& env, Grid grid, size_t elements, const Value& v, size_t lo, size_t hi, float* out) {
  const size_t n = hi - lo;
  if (v.repeat > 1) {
    spell_out(env, grid, elements, v, lo, hi, out);
  } else if (v.affine) {
    const auto data = [](const std::vector<float>& a) { return a.empty() ? nullptr : a.data(); };
    const ChannelAffine& f = *v.affine;
    float top = 0.0f;
    const AffineArgs a{v.data.get() + lo,
                       out,
                       data(f.center),
                       data(f.scale),
                       data(f.shift),
                       f.period(),
                       f.segment * grid.lanes,
                       lo,
                       n,
                       v.factor,
                       &top};
    env.kernels.affine(&a);
  } else if (v.factor != 1.0f) {
    env.kernels.scale(v.data.get() + lo, out, n, v.factor);
  } else if (out != v.data.get() + lo) {
    memcpy(out, v.data.get() + lo, n * sizeof(float));
  }
  if (!v.plus) return;
  const Value& p = *v.plus;
  if (!p.lazy()) {
    env.kernels.axpby(p.data.get() + lo, p.factor, out, 1.0f, n);
    return;
  }
  float part[kPiece];
  evaluate(env, grid, elements, p, lo, hi, part);
  env.kernels.axpby(part, 1.0f, out, 1.0f, n);
}

Value settle(Env& env, Grid grid, size_t elements, Value v) {
  if (!v.lazy() && v.factor == 1.0f) return v;
  const size_t n = grid.floats(elements);
  Value y;
  y.exp = v.exp;
  y.data = v.repeat == 1 && v.data.unshared() ? v.data : env.pool.acquire(n);
  const bool scored = v.max > 0.0f;  // f has no maximum to keep
  SharedMax max;
  for_ranges(env.threads, n, kGrainFloats, [&](size_t lo, size_t hi, size_t) {
    for_pieces(lo, hi, [&](size_t from, size_t to) {
      evaluate(env, grid, elements, v, from, to, y.data.get() + from);
      if (scored) max.add(env.kernels.largest(y.data.get() + from, to - from));
    });
  });
  y.max = max.get();
  return y;
}

Value lazy_sum(Value a, Value b) {
  // h, g and j: both at most 1 at the larger exponent; a zero tensor takes no part. f has neither exponents nor maxima.
  if (a.max > 0.0f || b.max > 0.0f) {
    if (a.zero()) return b;
    if (b.zero()) return a;
    const int ea = a.exp - lift(a.max), eb = b.exp - lift(b.max), exp = std::max(ea, eb);
    a.factor *= pow2(a.exp - exp);
    b.factor *= pow2(b.exp - exp);
    a.max = a.max * pow2(a.exp - exp) + b.max * pow2(b.exp - exp);
    a.exp = exp;
  }
  a.plus = std::make_shared<const Value>(std::move(b));
  a.moments = nullptr;
  return a;
}

}  // namespace px
