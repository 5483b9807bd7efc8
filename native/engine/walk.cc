#include "walk.h"

#include "lazy.h"

namespace px {

Value empty(Env& env, Grid grid, size_t elements, const Halo* halo) {
  Value v;
  const size_t n = floats(grid, elements, halo);
  v.data = env.pool.acquire_behind(lead_floats(halo, grid.lanes), n);
  v.halo = halo;
  return v;
}

Value scaled_copy(Env& env, Grid grid, size_t elements, Value x, Scalar s) {
  const size_t n = floats(grid, elements, x.halo);
  const int k = lift(x.max);
  Value y = empty_for(env, grid, elements, x);
  y.exp = x.exp + s.exp - k;
  SharedMax max;
  for_ranges(env.threads, n, kGrainFloats, [&](size_t lo, size_t hi, size_t) {
    max.add(env.kernels.scale(x.data.get() + lo, y.data.get() + lo, hi - lo, s.mantissa * pow2(k)));
  });
  y.max = max.get();
  return y;
}

Value aligned_sum(Env& env, Grid grid, size_t elements, Value a, Value b) {
  if (a.zero()) return b;
  if (b.zero()) return a;
  if (!b.data.unshared() && a.data.unshared()) std::swap(a, b);
  const size_t n = floats(grid, elements, a.halo);
  // Both at most 1 at the common exponent, which is the larger of the two tensors' own.
  const int ea = a.exp - lift(a.max), eb = b.exp - lift(b.max);
  Value y = empty_for(env, grid, elements, b);
  y.exp = std::max(ea, eb);
  const float sa = pow2(a.exp - y.exp), sb = pow2(b.exp - y.exp);
  SharedMax max;
  if (y.data.get() != b.data.get()) {
    for_ranges(env.threads, n, kGrainFloats, [&](size_t lo, size_t hi, size_t) {
      env.kernels.scale(b.data.get() + lo, y.data.get() + lo, hi - lo, sb);
      max.add(env.kernels.axpby(a.data.get() + lo, sa, y.data.get() + lo, 1.0f, hi - lo));
    });
  } else {
    for_ranges(env.threads, n, kGrainFloats, [&](size_t lo, size_t hi, size_t) {
      max.add(env.kernels.axpby(a.data.get() + lo, sa, y.data.get() + lo, sb, hi - lo));
    });
  }
  y.max = max.get();
  return y;
}

Value Walk::take(Env& env, uint32_t id) {
  return flat(env, grid, env.plan.values[id].size, values.take_lazy(id));
}

Value Walk::take_laid(Env& env, uint32_t id, uint32_t as) {
  return laid(env, grid, env.plan.values[id].size, env.halo(as, grid), values.take_lazy(id));
}

Value Walk::take_up(Env& env, int column, uint32_t id) {
  return flat(env, grid, env.plan.values[id].size, take_up_lazy(column, id));
}

Value Walk::take_up_laid(Env& env, int column, uint32_t id) {
  return laid(env, grid, env.plan.values[id].size, env.halo(id, grid), take_up_lazy(column, id));
}

Value DataPass::take(Env& env, uint32_t id) {
  return flat(env, grid, env.plan.values[id].size, f.take_lazy(id));
}

Value DataPass::take_laid(Env& env, uint32_t id, uint32_t as) {
  return laid(env, grid, env.plan.values[id].size, env.halo(as, grid), f.take_lazy(id));
}

void Walk::add_up(Env& env, int column, uint32_t id, Value contribution) {
  Value& slot = up[column][id];
  if (!slot.data) {
    slot = std::move(contribution);
  } else {
    const size_t elements = env.plan.values[id].size;
    const Halo* halo = env.halo(id, grid);
    slot = settle(env, grid, elements, laid(env, grid, elements, halo, std::move(slot)));
    contribution = settle(env, grid, elements, laid(env, grid, elements, halo, std::move(contribution)));
    slot = aligned_sum(env, grid, elements, std::move(slot), std::move(contribution));
  }
}

}  // namespace px
