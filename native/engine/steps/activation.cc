// Activations. f and its companion in one loop; for the adjoint ReLU and its kin leave one bit an element, smooth ones a².
#include "../lazy.h"
#include "../segments.h"
#include "../step.h"

namespace px {
namespace {

class ActivationStep final : public StepExec {
 public:
  ActivationStep(const Plan& plan, const PlanStep& step)
      : StepExec(plan, step), fn_(static_cast<Activation>(step.function)) {
    leaky_ = fn_ == Activation::relu || fn_ == Activation::leaky_relu || fn_ == Activation::prelu;
    relu_ = fn_ == Activation::relu;
    const PlanStep* next = reader(step.output);
    to_conv_ = next && next->op == Op::conv;
    if (!leaky_) return;
    if (fn_ == Activation::prelu && !step.operands.empty()) {
      slopes_ = Segments::of(step.operands[0], out_shape());
    } else {
      slopes_.values = {fn_ == Activation::leaky_relu ? step.alpha : 0.0f};
      slopes_.segment = out_size();
    }
  }

  // A normalisation or a sum before this was left to do: it is done here, a piece at a time.
  void forward(Env& env, DataPass& pass) override {
    const bool with = pass.scoring && signal();
    Value z = pass.take_laid(env, step_.inputs[0], step_.output);
    Value c = with ? pass.companion.take_laid(env, step_.inputs[0], step_.output) : Value();
    if (!relu_) c = computed(env, pass.grid, std::move(c));
    const bool later = c.pending != nullptr;  // its maker opens and closes the gates
    const bool together = with && !later, keep = with && (pass.adjoint || later);
    if (by_block(pass.grid, z.halo) && !pass.adjoint && (!with || c.splits)) {
      Buffer bits;
      pass.f.put(step_.output, blocks(env, pass.grid, std::move(z), later, &bits));
      if (with)
        pass.companion.values.put(step_.output,
                                  gated_by(env, pass.grid, out_size(), std::move(c), std::move(bits), true));
      return;
    }
    const size_t n = floats(pass.grid, out_size(), z.halo);
    const bool clear = z.halo && (fills_gaps(z) || !leaky_);
    Value y = empty_for(env, pass.grid, out_size(), z), c_out;
    if (together) c_out = empty_for(env, pass.grid, out_size(), c);
    const int k = lift(c.max);
    if (keep) record_ = leaky_ ? env.pool.acquire_bytes((n + 7) / 8) : env.pool.acquire(n);
    SharedMax max;
    for_ranges(env.threads, n, kGrainFloats, [&](size_t lo, size_t hi, size_t) {
      float top = 0.0f;
      for_pieces(lo, hi, [&](size_t from, size_t to) {
        float* const record = keep ? record_.get() : nullptr;
        if (!together) return of_f(env, pass.grid, z, y.data.get() + from, record, from, to);
        const float* zs = read(env, pass.grid, z, from, to, y.data.get() + from);
        const float* cs = read(env, pass.grid, c, from, to, c_out.data.get() + from);
        piece(env, pass.grid, zs, cs, y.data.get() + from, c_out.data.get() + from, record, from, to - from,
              pow2(k), &top);
      });
      if (clear) clear_gaps(*z.halo, pass.grid.lanes, y.data.get(), lo, hi);
      max.add(top);
    });
    pass.f.put(step_.output, std::move(y));
    if (!with) return;
    if (later) {
      c_out = gated_by(env, pass.grid, out_size(), std::move(c), record_, false);
      if (!pass.adjoint) record_.reset();
    } else {
      c_out.max = max.get();
      c_out.exp = c.exp - k;
    }
    pass.companion.values.put(step_.output, std::move(c_out));
  }

  void f(Env& env, DataPass& pass) override { forward(env, pass); }

  // g has no gates.
  void up(Env&, Walk& walk) override {
    walk.values.put(step_.output, walk.values.take_lazy(step_.inputs[0]));
  }

  void down(Env& env, Walk& walk, GradientStore&) override {
    for (int column = 0; column < walk.columns; ++column) {
      Value d = settle(env, walk.grid, out_size(), walk.take_up_laid(env, column, step_.output));
      if (d.zero()) continue;
      if (walk.net != Net::g) d = gated(env, walk.grid, std::move(d));
      walk.add_up(env, column, step_.inputs[0], std::move(d));
    }
    record_.reset();
  }

  void drop_records() override { record_.reset(); }

 private:
  const float* read(const Env& env, Grid grid, const Value& v, size_t lo, size_t hi, float* out) const {
    if (!v.lazy() && v.factor == 1.0f) return v.data.get() + lo;
    evaluate(env, grid, out_size(), v, lo, hi, out);
    return out;
  }

  // Whether the reader had better make the output itself: a block of it stays in a processor's cache. By shapes alone, as the bounds
  // that take the place of maxima are part of the result.
  bool by_block(Grid grid, const Halo* halo) const {
    constexpr size_t kMostFloats = size_t{1} << 20;
    return relu_ && to_conv_ && grid.blocks >= 2 &&
           floats(grid, out_size(), halo) / grid.blocks <= kMostFloats;
  }
  Value blocks(Env& env, Grid grid, Value given, bool keep, Buffer* bits) const {
    const size_t n = floats(grid, out_size(), given.halo) / grid.blocks;
    if (keep) *bits = env.pool.acquire_bytes((n * grid.blocks + 7) / 8);
    const auto z = std::make_shared<const Value>(std::move(given));
    Value y;
    y.halo = z->halo;
    // Floats [lo, hi) of the tensor, the first of them to `out`.
    const auto make = [this, &env, grid, z, record = *bits](size_t lo, size_t hi, float* out) {
      for_pieces(lo, hi, [&](size_t from, size_t to) {
        of_f(env, grid, *z, out + (from - lo), record.get(), from, to);
      });
    };
    Blocks all{grid.blocks, n, nullptr, nullptr};
    if (z->repeat == 1) all.source = &z->data;
    all.make = [make, n, grid, halo = z->halo](int block, float* out) {
      make(block * n, (block + 1) * n, out);
      if (halo) clear_gaps(*halo, grid.lanes, out, 0, n);
    };
    all.whole = [make, n, grid, &env, halo = z->halo](float* out) {
      for_ranges(env.threads, n * grid.blocks, kGrainFloats, [&](size_t lo, size_t hi, size_t) {
        make(lo, hi, out + lo);
        if (halo) clear_gaps(*halo, grid.lanes, out, lo, hi);
      });
    };
    y.blocks = std::make_shared<const Blocks>(std::move(all));
    return y;
  }

  // f alone; a ReLU together with what is left to do before it, where a float is a vector's.
  void of_f(const Env& env, Grid grid, const Value& z, float* y, float* record, size_t lo, size_t hi) const {
    if (relu_ && grid.lanes > 1 && z.repeat == 1 && !(z.plus && z.plus->lazy())) {
      ReluArgs a{affine_of(grid, z, lo, hi, y), nullptr, 1.0f, nullptr};
      if (z.plus) {
        a.plus = z.plus->data.get() + lo;
        a.plus_factor = z.plus->factor;
      }
      if (record) a.bits = reinterpret_cast<uint8_t*>(record) + lo / 8;
      return env.kernels.relu(&a);
    }
    float top = 0.0f;
    piece(env, grid, read(env, grid, z, lo, hi, y), nullptr, y, nullptr, record, lo, hi - lo, 1.0f, &top);
  }

  // record: where the adjoint finds what it wants, or null.
  void piece(const Env& env, Grid grid, const float* z, const float* c, float* y, float* c_out, float* record,
             size_t first, size_t count, float scale, float* top) const {
    if (leaky_) {
      uint8_t* bits = record ? reinterpret_cast<uint8_t*>(record) + first / 8 : nullptr;
      const LeakyArgs a{z,
                        y,
                        c,
                        c_out,
                        bits,
                        slopes_.values.data(),
                        slopes_.period(),
                        slopes_.segment * grid.lanes,
                        first,
                        count,
                        scale,
                        top};
      env.kernels.leaky(&a);
    } else {
      const SmoothArgs a{
          step_.function, step_.alpha, step_.beta, z, y, c, c_out, record ? record + first : nullptr,
          count,          scale,       top};
      env.kernels.smooth(&a);
    }
  }

  Value gated(Env& env, Grid grid, Value d) const {
    const size_t n = floats(grid, out_size(), d.halo);
    Value y = empty_for(env, grid, out_size(), d);
    const int k = lift(d.max);
    SharedMax max;
    for_ranges(env.threads, n, kGrainFloats, [&](size_t lo, size_t hi, size_t) {
      float top = 0.0f;
      const float* ds = d.data.get() + lo;
      float* out = y.data.get() + lo;
      if (leaky_) {
        uint8_t* bits = reinterpret_cast<uint8_t*>(record_.get()) + lo / 8;
        const LeakyArgs a{nullptr,
                          nullptr,
                          ds,
                          out,
                          bits,
                          slopes_.values.data(),
                          slopes_.period(),
                          slopes_.segment * grid.lanes,
                          lo,
                          hi - lo,
                          pow2(k),
                          &top};
        env.kernels.leaky_adjoint(&a);
      } else {
        top = env.kernels.mul(ds, record_.get() + lo, out, hi - lo, pow2(k));
      }
      max.add(top);
    });
    y.max = max.get();
    y.exp = d.exp - k;
    return y;
  }

  Activation fn_;
  bool leaky_, relu_;
  bool to_conv_;  // a convolution is the only reader
  Segments slopes_;
  Buffer record_;  // bits or a², from a forward with an adjoint to come
};

}  // namespace

StepPtr make_activation(const Plan& plan, const PlanStep& step) {
  return std::make_unique<ActivationStep>(plan, step);
}

}  // namespace px
