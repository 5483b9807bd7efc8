#include "lazy.h"

#include <string.h>

namespace px {
namespace {

// Channels that repeat are spelled out, times the factor.
void spell_out(const Env& env, Grid grid, size_t elements, const Value& v, size_t lo, size_t hi, float* out) {
  const size_t run = v.plane * grid.lanes, whole = (v.halo ? v.halo->elements() : elements) * grid.lanes;
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

AffineArgs affine_of(Grid grid, const Value& v, size_t lo, size_t hi, float* out) {
  AffineArgs a{};
  a.x = v.data.get() + lo;
  a.y = out;
  a.period = 1;
  a.segment = hi;
  a.first = lo;
  a.count = hi - lo;
  a.scale = v.factor;
  if (!v.affine) return a;
  const auto data = [](const std::vector<float>& a) { return a.empty() ? nullptr : a.data(); };
  a.m = data(v.affine->center);
  a.s = data(v.affine->scale);
  a.t = data(v.affine->shift);
  a.period = v.affine->period();
  a.segment = v.affine->segment * grid.lanes;
  return a;
}

void evaluate(const Env& env, Grid grid, size_t elements, const Value& v, size_t lo, size_t hi, float* out) {
  const size_t n = hi - lo;
  if (v.repeat > 1) {
    spell_out(env, grid, elements, v, lo, hi, out);
  } else if (v.affine) {
    float top = 0.0f;
    AffineArgs a = affine_of(grid, v, lo, hi, out);
    a.max = &top;
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

bool fills_gaps(const Value& v) {
  return (v.affine && !(v.affine->center.empty() && v.affine->shift.empty())) ||
         (v.plus && fills_gaps(*v.plus));
}

Value computed(Env& env, Grid grid, Value v) {
  if (v.blocks) {
    const Blocks& blocks = *v.blocks;
    v.data = env.pool.acquire_behind(lead_floats(v.halo, grid.lanes), blocks.count * blocks.floats);
    if (blocks.whole)
      blocks.whole(v.data.get());
    else
      env.threads.run(blocks.count,
                      [&](size_t b) { blocks.make(static_cast<int>(b), v.data.get() + b * blocks.floats); });
    v.blocks = nullptr;
  }
  if (!v.pending) return v;
  Value y = (*v.pending)(env, nullptr);
  v.data = std::move(y.data);
  v.pending = nullptr;
  if (!v.lazy() && v.factor == 1.0f) v.max = y.max;
  return v;
}

Value gated_by(Env& env, Grid grid, size_t elements, Value v, Buffer bits, bool by_block) {
  struct Held {
    Value v, plus;
    Buffer bits;
    Epilogue e;
  };
  const auto held = std::make_shared<Held>();
  held->v = std::move(v);
  held->bits = std::move(bits);
  held->e = {reinterpret_cast<const uint8_t*>(held->bits.get()), held->v.factor};
  held->e.by_block = by_block;
  if (held->v.plus) {
    held->plus = *held->v.plus;
    held->v.plus = nullptr;
    if (held->plus.lazy()) held->plus = settle(env, grid, elements, std::move(held->plus));
    held->e.plus = &held->plus;
  }
  if (held->v.affine) held->e.scale = held->v.affine->scale.data();
  Value y = (*held->v.pending)(env, &held->e);
  y.exp = held->v.exp;
  if (!by_block) return y;
  // What the blocks are made of lives as long as they do.
  y.max = held->v.max;
  Blocks blocks = *y.blocks;
  blocks.make = [held, make = blocks.make](int b, float* out) { make(b, out); };
  y.blocks = std::make_shared<const Blocks>(std::move(blocks));
  return y;
}

Value settle(Env& env, Grid grid, size_t elements, Value v) {
  v = computed(env, grid, std::move(v));
  if (!v.lazy() && v.factor == 1.0f) return v;
  const size_t n = floats(grid, elements, v.halo);
  Value y = empty_for(env, grid, elements, v);
  y.exp = v.exp;
  const bool clear = v.halo && fills_gaps(v);
  const bool scored = v.max > 0.0f;  // f has no maximum to keep
  SharedMax max;
  for_ranges(env.threads, n, kGrainFloats, [&](size_t lo, size_t hi, size_t) {
    for_pieces(lo, hi, [&](size_t from, size_t to) {
      evaluate(env, grid, elements, v, from, to, y.data.get() + from);
      if (scored) max.add(env.kernels.largest(y.data.get() + from, to - from));
    });
    if (clear) clear_gaps(*v.halo, grid.lanes, y.data.get(), lo, hi);
  });
  y.max = max.get();
  return y;
}

Value empty_for(Env& env, Grid grid, size_t elements, const Value& v) {
  if (v.repeat > 1 || !v.data.unshared()) return empty(env, grid, elements, v.halo);
  Value y;
  y.data = v.data;
  y.halo = v.halo;
  return y;
}

namespace {

// Between a tensor with gaps and one without.
template <bool Open>
void move_rows(Env& env, Grid grid, const Halo& h, const float* from, float* to) {
  const size_t lanes = grid.lanes, row = h.row * lanes, cols = h.cols * lanes;
  env.threads.run(grid.blocks * h.channels, [&](size_t c) {
    const float* in = from + c * (Open ? h.rows * cols : h.channel * lanes);
    float* out = to + c * (Open ? h.channel * lanes : h.rows * cols);
    for (size_t r = 0; r < h.rows; ++r)
      memcpy(out + r * (Open ? row : cols), in + r * (Open ? cols : row), cols * sizeof(float));
    if (Open) clear_gaps(h, lanes, out, 0, h.channel * lanes);
  });
}

}  // namespace

Value flat(Env& env, Grid grid, size_t elements, Value v) {
  return laid(env, grid, elements, nullptr, settle(env, grid, elements, std::move(v)));
}

Value laid(Env& env, Grid grid, size_t elements, const Halo* halo, Value v) {
  if ((!v.data && !v.pending && !v.blocks) || v.halo == halo) return v;
  v = settle(env, grid, elements, std::move(v));
  if (v.halo && halo) v = laid(env, grid, elements, nullptr, std::move(v));
  Value y = empty(env, grid, elements, halo);
  y.exp = v.exp;
  y.max = v.max;
  y.moments = v.moments;
  if (halo)
    move_rows<true>(env, grid, *halo, v.data.get(), y.data.get());
  else
    move_rows<false>(env, grid, *v.halo, v.data.get(), y.data.get());
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
