// What the normalisation steps share: factors of g and j, and f's affine form.
#pragma once
#include "../lazy.h"
#include "../segments.h"
#include "../step.h"

namespace px {

// Non-negative factors as float32 times a power of two (γ² of a tiny γ must not vanish).
struct Factors {
  std::vector<float> values;
  size_t segment = 1;  // elements each holds for
  int exp = 0;

  static Factors of(const std::vector<double>& v, size_t segment) {
    double top = 0.0;
    for (double x : v) top = std::max(top, x);
    Factors f;
    f.segment = segment;
    if (top > 0.0 && std::isfinite(top)) std::frexp(top, &f.exp);
    for (double x : v) f.values.push_back(static_cast<float>(std::ldexp(x, -f.exp)));
    return f;
  }
};

// y = x * factor, per segment, left to the reader: the whole of such a step in g and j, and its adjoint.
inline Value lazy_times(Value x, const Factors& f) {
  auto a = std::make_shared<ChannelAffine>();
  a->segment = f.segment;
  a->scale = f.values;
  const float top = *std::max_element(f.values.begin(), f.values.end());
  x.exp += f.exp;
  x.max *= top;
  x.affine = std::move(a);
  x.moments = nullptr;
  return x;
}

// The same at once.
inline Value times(Env& env, Grid grid, size_t elements, Value x, const Factors& f) {
  const size_t n = floats(grid, elements, x.halo);
  const int k = lift(x.max);
  Value y = empty_for(env, grid, elements, x);
  y.exp = x.exp + f.exp - k;
  SharedMax max;
  for_ranges(env.threads, n, kGrainFloats, [&](size_t lo, size_t hi, size_t) {
    float top = 0.0f;
    const AffineArgs a{x.data.get() + lo,
                       y.data.get() + lo,
                       nullptr,
                       f.values.data(),
                       nullptr,
                       f.values.size(),
                       f.segment * grid.lanes,
                       lo,
                       hi - lo,
                       pow2(k),
                       &top};
    env.kernels.affine(&a);
    max.add(top);
  });
  y.max = max.get();
  return y;
}

// f's coefficients per segment; any may be empty.
struct AffineF {
  std::vector<float> center, scale, shift;
  size_t segment = 1;
};

// y = scale*(x - center) + shift
inline Value affine_f(Env& env, Grid grid, size_t elements, Value x, const AffineF& f) {
  const auto data = [](const std::vector<float>& v) { return v.empty() ? nullptr : v.data(); };
  const size_t n = grid.floats(elements);
  Value y;
  y.data = x.data.unshared() ? x.data : env.pool.acquire(n);
  for_ranges(env.threads, n, kGrainFloats, [&](size_t lo, size_t hi, size_t) {
    float top = 0.0f;
    const AffineArgs a{x.data.get() + lo,
                       y.data.get() + lo,
                       data(f.center),
                       data(f.scale),
                       data(f.shift),
                       std::max(f.scale.size(), f.shift.size()),
                       f.segment * grid.lanes,
                       lo,
                       hi - lo,
                       1.0f,
                       &top};
    env.kernels.affine(&a);
  });
  return y;
}

// Steps whose g, j and adjoints are one set of factors (h is the identity).
class FactorStep : public StepExec {
 public:
  using StepExec::StepExec;

  void up(Env& env, Walk& walk) override {
    Value x = walk.take_laid(env, step_.inputs[0], step_.output);
    const bool leave = readers(step_.output) == 1;
    if (!leave || !x.pending)
      x = walk.net == Net::h ? computed(env, walk.grid, std::move(x))
                             : settle(env, walk.grid, out_size(), std::move(x));
    if (walk.net != Net::h) {
      const Factors f = factors(env, walk.net, x.halo);
      x = leave ? lazy_times(std::move(x), f) : times(env, walk.grid, out_size(), std::move(x), f);
    }
    walk.values.put(step_.output, std::move(x));
  }

  void down(Env& env, Walk& walk, GradientStore&) override {
    const Factors f = factors(env, walk.net, env.halo(step_.output, walk.grid));
    for (int column = 0; column < walk.columns; ++column) {
      Value d = settle(env, walk.grid, out_size(), walk.take_up_laid(env, column, step_.output));
      if (d.zero()) continue;
      walk.add_up(env, column, step_.inputs[0], lazy_times(std::move(d), f));
    }
  }

 protected:
  virtual Factors factors(const Env& env, Net net, const Halo* halo) const = 0;  // net is g or j
};

}  // namespace px
