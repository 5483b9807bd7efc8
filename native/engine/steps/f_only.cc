// What exists in f alone: inside gates, and behind the last weight. Never on a path, so there is nothing but f here.
#include "../broadcast.h"
#include "../segments.h"
#include "../step.h"

namespace px {
namespace {

float unary(Unary fn, float z, float alpha, float beta) {
  switch (fn) {
    case Unary::sigmoid:
      return z >= 0 ? 1.0f / (1.0f + std::exp(-z)) : std::exp(z) / (1.0f + std::exp(z));
    case Unary::hard_sigmoid:
      return std::clamp(alpha * z + beta, 0.0f, 1.0f);
    case Unary::erf:
      return std::erf(z);
    case Unary::softplus:
      return z > 20.0f ? z : std::log1p(std::exp(z));
    case Unary::exp:
      return std::exp(z);
    case Unary::log:
      return std::log(z);
    case Unary::sqrt:
      return std::sqrt(z);
    case Unary::reciprocal:
      return 1.0f / z;
    case Unary::neg:
      return -z;
    case Unary::abs:
      return std::fabs(z);
    case Unary::pow:
      return std::pow(z, alpha);
  }
  return z;
}

float binary(Binary fn, float a, float b) {
  switch (fn) {
    case Binary::add:
      return a + b;
    case Binary::sub:
      return a - b;
    case Binary::mul:
      return a * b;
    case Binary::div:
      return a / b;
    case Binary::min:
      return std::min(a, b);
    case Binary::max:
      return std::max(a, b);
  }
  return a;
}

class FOnly final : public StepExec {
 public:
  FOnly(const Plan& plan, const PlanStep& step) : StepExec(plan, step) {
    for (size_t i = 0; i < step.inputs.size(); ++i) maps_.emplace_back(in_shape(i), out_shape());
    if (step.op == Op::binary && !step.operands.empty())
      constant_ = Segments::of(step.operands[0], out_shape());
  }

  void f(Env& env, DataPass& pass) override {
    switch (step_.op) {
      case Op::unary:
        return unary_step(env, pass);
      case Op::binary:
        return binary_step(env, pass);
      default:
        return softmax_step(env, pass);
    }
  }
  void up(Env&, Walk&) override {}
  void down(Env&, Walk&, GradientStore&) override {}

 private:
  void unary_step(Env& env, DataPass& pass) const {
    const size_t n = pass.grid.floats(out_size());
    const Value x = pass.take(env, step_.inputs[0]);
    Value y;
    y.data = x.data.unshared() ? x.data : env.pool.acquire(n);
    for_ranges(env.threads, n, kGrainFloats / 8, [&](size_t lo, size_t hi, size_t) {
      for (size_t i = lo; i < hi; ++i)
        y.data.get()[i] = unary(static_cast<Unary>(step_.function), x.data.get()[i], step_.alpha, step_.beta);
    });
    pass.f.put(step_.output, std::move(y));
  }

  void binary_step(Env& env, DataPass& pass) const {
    const size_t n = pass.grid.floats(out_size()), lanes = pass.grid.lanes;
    const auto fn = static_cast<Binary>(step_.function);
    std::vector<Buffer> xs;
    for (size_t i = 0; i < maps_.size(); ++i) {
      const Buffer x = pass.take(env, step_.inputs[i]).data;
      xs.push_back(spread(env, pass.grid, maps_[i], out_size(), x));
    }
    Value y;
    y.data = env.pool.acquire(n);
    for_ranges(env.threads, n, kGrainFloats, [&](size_t lo, size_t hi, size_t) {
      for (size_t i = lo; i < hi; ++i) {
        const float a = xs[0].get()[i];
        const float b =
            xs.size() > 1 ? xs[1].get()[i]
                          : constant_.values[i / lanes % out_size() / constant_.segment % constant_.period()];
        y.data.get()[i] = step_.flag ? binary(fn, b, a) : binary(fn, a, b);
      }
    });
    pass.f.put(step_.output, std::move(y));
  }

  void softmax_step(Env& env, DataPass& pass) const {
    const auto& shape = out_shape();
    size_t outer = pass.grid.blocks, inner = pass.grid.lanes;
    for (uint32_t a = 0; a < step_.axis; ++a) outer *= shape[a];
    for (size_t a = step_.axis + 1; a < shape.size(); ++a) inner *= shape[a];
    const size_t rows = shape[step_.axis];
    const Value x = pass.take(env, step_.inputs[0]);
    Value y;
    y.data = x.data.unshared() ? x.data : env.pool.acquire(pass.grid.floats(out_size()));
    for_ranges(env.threads, outer * inner, std::max<size_t>(1, kGrainFloats / 8 / rows),
               [&](size_t lo, size_t hi, size_t) {
                 for (size_t i = lo; i < hi; ++i) {
                   const size_t base = i / inner * rows * inner + i % inner;
                   const float* in = x.data.get() + base;
                   float* out = y.data.get() + base;
                   float top = in[0];
                   for (size_t r = 1; r < rows; ++r) top = std::max(top, in[r * inner]);
                   double sum = 0.0;
                   for (size_t r = 0; r < rows; ++r) sum += std::exp(in[r * inner] - top);
                   for (size_t r = 0; r < rows; ++r)
                     out[r * inner] = step_.flag ? in[r * inner] - top - static_cast<float>(std::log(sum))
                                                 : static_cast<float>(std::exp(in[r * inner] - top) / sum);
                 }
               });
    pass.f.put(step_.output, std::move(y));
  }

  std::vector<Broadcast> maps_;
  Segments constant_;
};

}  // namespace

StepPtr make_f_only(const Plan& plan, const PlanStep& step) { return std::make_unique<FOnly>(plan, step); }

}  // namespace px
