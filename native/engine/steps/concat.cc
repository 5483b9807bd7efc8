// Concat: parts side by side, their exponents aligned; a constant part is itself in f and zero in h, g and j.
#include <string.h>

#include "../step.h"

namespace px {
namespace {

class Concat final : public StepExec {
 public:
  Concat(const Plan& plan, const PlanStep& step) : StepExec(plan, step) {
    const auto& shape = out_shape();
    for (size_t a = 0; a < shape.size(); ++a)
      (a < step.axis ? outer_ : a > step.axis ? inner_ : rows_) *= shape[a];
    size_t at = 0, constants = 0;
    for (int32_t i : step.ints) {
      Part p{i, nullptr, at * inner_, 0};
      const Operand* c = i < 0 ? &step.operands[constants++] : nullptr;
      p.constant = c;
      p.run = (c ? c->shape[step.axis] : in_shape(i)[step.axis]) * inner_;
      at += p.run / inner_;
      parts_.push_back(p);
    }
  }

  void f(Env& env, DataPass& pass) override {
    Value y;
    y.data = env.pool.acquire(pass.grid.floats(out_size()));
    for (const Part& p : parts_) {
      if (p.constant) {
        fill(env, pass.grid, y.data.get(), p, p.constant->data.data());
      } else {
        const Value x = pass.take(env, step_.inputs[p.input]);
        copy(env, pass.grid, p, [&](size_t whole, size_t part, size_t n) {
          memcpy(y.data.get() + whole, x.data.get() + part, n * sizeof(float));
        });
      }
    }
    pass.f.put(step_.output, std::move(y));
  }

  void up(Env& env, Walk& walk) override {
    std::vector<Value> xs(parts_.size());
    Value y;
    y.data = env.pool.acquire(walk.grid.floats(out_size()));
    bool any = false;
    for (size_t i = 0; i < parts_.size(); ++i) {
      if (parts_[i].constant) continue;
      xs[i] = walk.take(env, step_.inputs[parts_[i].input]);
      if (xs[i].zero()) continue;
      const int e = xs[i].exp - lift(xs[i].max);
      y.exp = any ? std::max(y.exp, e) : e;
      any = true;
    }
    SharedMax max;
    for (size_t i = 0; i < parts_.size(); ++i) {
      const Value& x = xs[i];
      const float s = x.zero() ? 0.0f : pow2(x.exp - y.exp);
      copy(env, walk.grid, parts_[i], [&](size_t whole, size_t part, size_t n) {
        float* out = y.data.get() + whole;
        if (s == 0.0f) {
          memset(out, 0, n * sizeof(float));
        } else {
          max.add(env.kernels.scale(x.data.get() + part, out, n, s));
        }
      });
    }
    y.max = max.get();
    walk.values.put(step_.output, std::move(y));
  }

  void down(Env& env, Walk& walk, GradientStore&) override {
    for (int column = 0; column < walk.columns; ++column) {
      const Value d = walk.take_up(env, column, step_.output);
      if (d.zero()) continue;
      const float s = pow2(lift(d.max));
      for (const Part& p : parts_) {
        if (p.constant) continue;
        Value x;
        x.exp = d.exp - lift(d.max);
        x.data = env.pool.acquire(walk.grid.floats(in_size(p.input)));
        SharedMax max;
        copy(env, walk.grid, p, [&](size_t whole, size_t part, size_t n) {
          max.add(env.kernels.scale(d.data.get() + whole, x.data.get() + part, n, s));
        });
        x.max = max.get();
        walk.add_up(env, column, step_.inputs[p.input], std::move(x));
      }
    }
  }

 private:
  struct Part {
    int32_t input;
    const Operand* constant;
    size_t offset, run;  // elements within an outer row of the output
  };

  // fn(offset in the whole, offset in the part, floats) for every run of a part.
  template <typename Fn>
  void copy(Env& env, Grid grid, const Part& p, Fn fn) const {
    const size_t whole = rows_ * inner_, lanes = grid.lanes;
    for_ranges(env.threads, grid.blocks * outer_,
               std::max<size_t>(1, kGrainFloats / std::max<size_t>(1, p.run * lanes)),
               [&](size_t lo, size_t hi, size_t) {
                 for (size_t o = lo; o < hi; ++o)
                   fn((o * whole + p.offset) * lanes, o * p.run * lanes, p.run * lanes);
               });
  }

  void fill(Env& env, Grid grid, float* y, const Part& p, const float* constant) const {
    const size_t lanes = grid.lanes;
    copy(env, grid, p, [&](size_t whole, size_t part, size_t n) {
      const float* from = constant + part / lanes % (outer_ * p.run);
      for (size_t i = 0; i < n; ++i) y[whole + i] = from[i / lanes];
    });
  }

  size_t outer_ = 1, rows_ = 1, inner_ = 1;
  std::vector<Part> parts_;
};

}  // namespace

StepPtr make_concat(const Plan& plan, const PlanStep& step) { return std::make_unique<Concat>(plan, step); }

}  // namespace px
