// What a step kind implements. One object per step of the Plan; it lives as long as the program.
#pragma once
#include <memory>

#include "walk.h"

namespace px {

class GradientStore;

class StepExec {
 public:
  StepExec(const Plan& plan, const PlanStep& step) : plan_(plan), step_(step) {}
  virtual ~StepExec() = default;

  // One micro-batch forward: f, and h or j where the output is a signal. Kinds whose two halves share nothing leave this as it is.
  virtual void forward(Env& env, DataPass& pass) {
    this->f(env, pass);
    if (pass.scoring && signal()) this->up(env, pass.companion);
  }
  // f; leaves behind what h or j and their adjoint will ask for.
  virtual void f(Env& env, DataPass& pass) = 0;
  // h, g or j forward. Called only where the output is a signal.
  virtual void up(Env& env, Walk& walk) = 0;
  // Adjoint of g or j: takes the output's upstream, adds to the inputs', and to the parameters' gradient.
  virtual void down(Env& env, Walk& walk, GradientStore& gradients) = 0;
  // Forgets records and statistics: called when a round begins, and when a micro-batch is done or given up.
  virtual void begin_round() {}
  virtual void drop_records() {}

  const PlanStep& step() const { return step_; }
  bool signal() const { return plan_.values[step_.output].signal; }

 protected:
  size_t in_size(size_t i = 0) const { return plan_.values[step_.inputs[i]].size; }
  size_t out_size() const { return plan_.values[step_.output].size; }
  const std::vector<uint32_t>& out_shape() const { return plan_.values[step_.output].shape; }
  const std::vector<uint32_t>& in_shape(size_t i = 0) const { return plan_.values[step_.inputs[i]].shape; }
  // How many steps read a value, outputs counted.
  int readers(uint32_t id) const {
    int n = 0;
    for (const auto& s : plan_.steps)
      for (uint32_t i : s.inputs) n += i == id;
    for (uint32_t o : plan_.outputs) n += o == id;
    return n;
  }
  // The only step that reads a value, or null.
  const PlanStep* reader(uint32_t id) const {
    if (readers(id) != 1) return nullptr;
    for (const auto& s : plan_.steps)
      for (uint32_t i : s.inputs)
        if (i == id) return &s;
    return nullptr;
  }
  bool input_signal(size_t i) const { return plan_.values[step_.inputs[i]].signal; }

  const Plan& plan_;
  const PlanStep& step_;
};

using StepPtr = std::unique_ptr<StepExec>;

class Weights;
StepPtr make_linear(const Plan&, const PlanStep&, const Weights&);
StepPtr make_fixed(const Plan&, const PlanStep&);
StepPtr make_activation(const Plan&, const PlanStep&);
StepPtr make_max(const Plan&, const PlanStep&);
StepPtr make_product(const Plan&, const PlanStep&);
StepPtr make_affine(const Plan&, const PlanStep&);
StepPtr make_batch_norm(const Plan&, const PlanStep&);
StepPtr make_sample_norm(const Plan&, const PlanStep&);  // layer and group norm
StepPtr make_sum(const Plan&, const PlanStep&);          // add, tail product
StepPtr make_concat(const Plan&, const PlanStep&);
StepPtr make_view(const Plan&, const PlanStep&);
StepPtr make_f_only(const Plan&, const PlanStep&);
StepPtr make_step(const Plan&, const PlanStep&, const Weights&);

}  // namespace px
