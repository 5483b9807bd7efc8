#include "program.h"

#include "error.h"
#include "layout.h"
#include "lazy.h"

namespace px {

StepPtr make_step(const Plan& plan, const PlanStep& s, const Weights& weights) {
  switch (s.op) {
    case Op::conv:
    case Op::conv_transpose:
    case Op::dense:
      return make_linear(plan, s, weights);
    case Op::fixed:
      return make_fixed(plan, s);
    case Op::activation:
      return make_activation(plan, s);
    case Op::max:
      return make_max(plan, s);
    case Op::product:
      return make_product(plan, s);
    case Op::affine:
      return make_affine(plan, s);
    case Op::batch_norm:
      return make_batch_norm(plan, s);
    case Op::layer_norm:
    case Op::group_norm:
      return make_sample_norm(plan, s);
    case Op::add:
    case Op::tail_product:
      return make_sum(plan, s);
    case Op::concat:
      return make_concat(plan, s);
    case Op::reshape:
    case Op::transpose:
      return make_view(plan, s);
    case Op::unary:
    case Op::binary:
    case Op::softmax:
      return make_f_only(plan, s);
  }
  throw Error("ERR_BACKEND", "malformed plan: unknown step '" + s.name + "'");
}

Program::Program(Plan plan, std::vector<const float*> weights, const ProgramOptions& options)
    : plan_(std::move(plan)),
      kernels_(pick_kernels(options.isa_limit)),
      threads_(options.threads),
      weights_(plan_, std::move(weights)),
      halos_(plan_),
      env_{plan_, kernels_, threads_, pool_, scratch_, halos_, options.batch_statistics},
      joint_(options.joint) {
  for (const auto& s : plan_.steps) steps_.push_back(make_step(plan_, s, weights_));
  count_readers();
}

Program::~Program() { forget(); }

void Program::count_readers() {
  f_readers_.assign(plan_.values.size(), 0);
  signal_readers_.assign(plan_.values.size(), 0);
  for (const auto& s : plan_.steps) {
    const bool signal = plan_.values[s.output].signal;
    for (size_t i = 0; i < s.inputs.size(); ++i) {
      ++f_readers_[s.inputs[i]];
      const bool gate = s.op == Op::product && i == 1;
      if (signal && !gate) {
        if (!plan_.values[s.inputs[i]].signal)
          throw Error("ERR_BACKEND", "malformed plan: step '" + s.name + "' makes a signal of a gate");
        ++signal_readers_[s.inputs[i]];
      }
    }
  }
  for (uint32_t o : plan_.outputs) {
    ++f_readers_[o];
    if (plan_.values[o].signal) ++signal_readers_[o];
  }
}

void Program::forget() {
  for (auto& s : steps_) s->drop_records();
}

void Program::close() {
  open_ = false;
  forget();
  gradients_.reset();
  out_ = RoundOutput();
}

void Program::check_open() const {
  if (!open_)
    throw Error("ERR_STATE",
                "no round is under way: call begin first (again after an error, an abort or new masks)");
}

void Program::set_mask(uint32_t param, const uint8_t* bits, size_t bytes) {
  if (open_) close();
  weights_.set_mask(param, bits, bytes);
}

void Program::begin(const RoundOutput* out) {
  clear_abort();
  close();
  forward_only_ = out == nullptr;
  samples_ = 0;
  finite_ = true;
  joint_R_ = ScaledSum();
  outputs_.assign(plan_.outputs.size(), Output());
  if (out) {
    out_ = *out;
    gradients_ = std::make_unique<GradientStore>(plan_, out_.scores);
  }
  for (auto& s : steps_) s->begin_round();
  open_ = true;
}

void Program::forward(DataPass& pass, const float* x, int samples) {
  const size_t elements = plan_.values[plan_.input].size;
  pass.grid = Grid::of(samples, kernels_.lanes);
  pass.scoring = !forward_only_;
  pass.adjoint = joint_ && pass.scoring;
  pass.f.reset(f_readers_);
  Value f;
  f.data = pool_.acquire(pass.grid.floats(elements));
  pack_samples(env_, pass.grid, elements, x, f.data.get());
  if (pass.scoring) {
    pass.companion.net = joint_ ? Net::j : Net::h;
    pass.companion.grid = pass.grid;
    pass.companion.values.reset(signal_readers_);
    pass.companion.values.put(plan_.input, squared_input(env_, pass.grid, elements, f));
  }
  pass.f.put(plan_.input, std::move(f));
}

void Program::push(const float* x, int samples, const std::vector<float*>* y) {
  check_open();
  DataPass pass;
  try {
    forward(pass, x, samples);
    for (auto& s : steps_) s->forward(env_, pass);
    take_outputs(pass, y);
    if (!forward_only_ && joint_) add_joint(pass);
    samples_ += samples;
    if (!finite_) throw Error("ERR_NUMERIC", "f is not finite: " + first_bad_step(x, samples));
  } catch (...) {
    close();
    throw;
  }
}

// Runs f again, looking at every step: only once something has gone wrong.
std::string Program::first_bad_step(const float* x, int samples) {
  const bool was = forward_only_;
  forward_only_ = true;
  std::string culprit = "the input or the weights hold NaN or infinity";
  DataPass pass;
  forward(pass, x, samples);
  for (auto& s : steps_) {
    s->forward(env_, pass);
    const size_t elements = plan_.values[s->step().output].size;
    const Value v = flat(env_, pass.grid, elements, pass.f.peek(s->step().output));
    if (!v.data) continue;
    if (all_finite(env_, v.data.get(), pass.grid.floats(elements))) continue;
    culprit = "node '" + s->step().name + "' is the first to produce NaN or infinity";
    break;
  }
  forward_only_ = was;
  forget();
  return culprit + "; check the preprocessing (--mean, --std, --scale) and the weights";
}

void Program::take_outputs(DataPass& pass, const std::vector<float*>* y) {
  for (size_t k = 0; k < plan_.outputs.size(); ++k) {
    const uint32_t id = plan_.outputs[k];
    const size_t elements = plan_.values[id].size;
    const Value f = pass.take(env_, id);
    if (!all_finite(env_, f.data.get(), pass.grid.floats(elements))) finite_ = false;
    if (y) unpack_samples(env_, pass.grid, elements, f.data.get(), (*y)[k]);
    if (forward_only_) continue;
    if (!plan_.values[id].signal) {
      outputs_[k].u.assign(elements, 0.0);
      continue;
    }
    const Value c = pass.companion.take(env_, id);
    if (joint_) {
      joint_R_.add(sum_samples(env_, pass.grid, elements, c), c.exp);
    } else {
      add_u(outputs_[k], pass.grid, c, elements);
    }
  }
}

// u_k += Σ_n h_k(x_n), in double with a common exponent.
void Program::add_u(Output& out, Grid grid, const Value& c, size_t elements) {
  if (out.u.empty()) out.u.assign(elements, 0.0);
  if (c.zero()) return;
  const int exp = c.exp - lift(c.max);
  if (!out.any || exp > out.exp) {
    const double down = out.any ? std::ldexp(1.0, std::max(out.exp - exp, -1000)) : 0.0;
    for (double& v : out.u) v *= down;
    out.exp = exp;
    out.any = true;
  }
  const double scale = std::ldexp(1.0, std::max(c.exp - out.exp, -1000));
  const size_t lanes = grid.lanes;
  for_ranges(threads_, elements, kGrainFloats / lanes, [&](size_t lo, size_t hi, size_t) {
    for (size_t e = lo; e < hi; ++e) {
      double sum = 0.0;
      for (int b = 0; b < grid.blocks; ++b)
        for (int l = 0; l < grid.filled(b); ++l) sum += c.data.get()[(b * elements + e) * lanes + l];
      out.u[e] += sum * scale;
    }
  });
}

void Program::back(Walk& walk) {
  for (size_t i = steps_.size(); i-- > 0;)
    if (steps_[i]->signal()) steps_[i]->down(env_, walk, *gradients_);
}

// j's way back: every output element of every sample counts once.
void Program::add_joint(DataPass& pass) {
  Walk& walk = pass.companion;
  walk.columns = 1;
  walk.up[0].assign(plan_.values.size(), Value());
  for (uint32_t id : plan_.outputs)
    if (plan_.values[id].signal)
      walk.add_up(env_, 0, id, constant(env_, pass.grid, plan_.values[id].size, 1.0f));
  back(walk);
}

Log2Scalars Program::finish() {
  check_open();
  if (samples_ == 0) throw Error("ERR_STATE", "finish without a sample pushed");
  Log2Scalars log2;
  try {
    if (!forward_only_ && joint_) {
      log2.R = joint_R_.log2();
      scores(joint_R_.sum, joint_R_.exp);
    } else if (!forward_only_) {
      log2 = finish_px();
    }
  } catch (...) {
    close();
    throw;
  }
  close();
  return log2;
}

Log2Scalars Program::finish_px() {
  Walk walk;
  walk.net = Net::g;
  walk.grid = Grid();
  walk.columns = 2;
  walk.values.reset(signal_readers_);
  walk.values.put(plan_.input, constant(env_, walk.grid, plan_.values[plan_.input].size, 1.0f));
  for (auto& s : steps_)
    if (s->signal()) s->up(env_, walk);

  ScaledSum R, jfv2;
  int top = 0;
  bool any = false;
  for (const Output& o : outputs_)
    if (o.any) {
      top = any ? std::max(top, o.exp) : o.exp;
      any = true;
    }
  double largest = 0.0;
  for (auto& column : walk.up) column.assign(plan_.values.size(), Value());
  for (size_t k = 0; k < plan_.outputs.size(); ++k) {
    const uint32_t id = plan_.outputs[k];
    Output& o = outputs_[k];
    const size_t n = plan_.values[id].size;
    const double align = o.any ? std::ldexp(1.0, std::max(o.exp - top, -1000)) : 0.0;
    for (double& v : o.u) {
      v *= align;
      largest = std::max(largest, v);
    }
    if (!plan_.values[id].signal) continue;
    const Value g = walk.take(env_, id);
    double product = 0.0, total = 0.0;
    for (size_t e = 0; e < n; ++e) {
      product += o.u[e] * g.data.get()[e];
      total += o.u[e];
    }
    R.add(product, top + g.exp);
    jfv2.add(total, top);
    Value upstream = constant(env_, walk.grid, n, 0.0f);
    for (size_t e = 0; e < n; ++e) upstream.data.get()[e] = static_cast<float>(o.u[e]);
    upstream.exp = top;
    upstream.max = kernels_.largest(upstream.data.get(), n);
    walk.add_up(env_, 0, id, std::move(upstream));
    walk.add_up(env_, 1, id, constant(env_, walk.grid, n, 1.0f));
  }
  back(walk);
  scores(R.sum, R.exp);
  for (size_t k = 0; k < outputs_.size(); ++k)
    for (size_t e = 0; e < outputs_[k].u.size(); ++e)
      out_.u[k][e] = largest > 0.0 ? static_cast<float>(outputs_[k].u[e] / largest) : 0.0f;
  return {R.log2(), jfv2.log2(), gradients_->total().log2()};
}

// S_j / R = (θ_j·2^shift)² G_j / R, in place; G is 0 at weights that are gone, and so is what no path crosses.
void Program::scores(double R, int R_exp) {
  for (uint32_t p = 0; p < plan_.params.size(); ++p) {
    const size_t n = plan_.params[p].size;
    float* const s = out_.scores[p];
    if (!(R > 0.0) || !gradients_->touched(p)) {
      std::fill(s, s + n, 0.0f);
      continue;
    }
    const double shift = std::ldexp(1.0, weights_.shift(p));
    const double factor = std::ldexp(1.0 / R, std::clamp(gradients_->exponent(p) - R_exp, -1000, 1000));
    const float* theta = weights_.values(p);
    for_ranges(threads_, n, kGrainFloats, [&](size_t lo, size_t hi, size_t) {
      if (!kernels_.score(theta + lo, s + lo, hi - lo, shift, factor))
        throw Error("ERR_NUMERIC", "a score of parameter " + std::to_string(p) +
                                       " is not finite; check the weights for NaN or infinity");
    });
  }
}

}  // namespace px
