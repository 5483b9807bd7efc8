// A compiled Plan: rounds of PX on the CPU. Methods block; one thread at a time, but for abort() and memory().
#pragma once
#include <memory>

#include "step.h"
#include "weights.h"

namespace px {

struct ProgramOptions {
  bool joint = false;            // px-joint instead of px
  bool batch_statistics = true;  // norm = batch instead of running
  int threads = 1;
  const char* isa_limit = nullptr;  // see pick_kernels
};

// Where finish() puts its results: arrays of the caller's, each of the size the Plan says.
struct RoundOutput {
  std::vector<float*> scores;  // S/R per parameter, stored layout
  std::vector<float*> u;       // per output, the largest of all scaled to 1; px only
};

// Base-2 logarithms, -inf for 0. The factors are px's alone.
struct Log2Scalars {
  double R = 0.0, Jfv2 = 0.0, Jvt2 = 0.0;
};

class Program {
 public:
  // weights[i]: params[i].size floats, borrowed for the program's life.
  Program(Plan plan, std::vector<const float*> weights, const ProgramOptions& options);
  ~Program();

  // Ends a round that is under way: one round has one set of masks.
  void set_mask(uint32_t param, const uint8_t* bits, size_t bytes);
  // out: filled by finish, and worked in until then, so that a score takes no memory but its own; borrowed until the round ends. Null
  // for a round of f alone.
  void begin(const RoundOutput* out);
  // push and finish throw Error(ERR_STATE) unless begin() was called and no error has ended the round since.
  // x: [samples, input shape], borrowed during the call. y (may be null): out, per output [samples, output shape].
  void push(const float* x, int samples, const std::vector<float*>* y);
  Log2Scalars finish();

  void abort() { threads_.abort(); }
  void clear_abort() { threads_.clear_abort(); }
  size_t current_bytes() const { return pool_.current(); }
  size_t peak_bytes() const { return pool_.peak(); }
  const char* isa() const { return kernels_.isa; }
  const Plan& plan() const { return plan_; }
  bool forward_only() const { return forward_only_; }

 private:
  struct Output {
    std::vector<double> u;  // sum of h over samples, times 2^exp
    int exp = 0;
    bool any = false;
  };

  void count_readers();
  void forward(DataPass& pass, const float* x, int samples);
  void take_outputs(DataPass& pass, const std::vector<float*>* y);
  void add_u(Output& out, Grid grid, const Value& c, size_t elements);
  void add_joint(DataPass& pass);
  void back(Walk& walk);
  Log2Scalars finish_px();
  void scores(double R, int R_exp);
  void check_open() const;
  void close();  // ends the round and frees what it gathered
  void forget();
  std::string first_bad_step(const float* x, int samples);

  Plan plan_;
  const Kernels& kernels_;
  Threads threads_;
  BufferPool pool_;
  ScratchPool scratch_;
  Weights weights_;
  Halos halos_;
  Env env_;
  bool joint_;
  std::vector<StepPtr> steps_;
  std::vector<int> f_readers_, signal_readers_;

  bool open_ = false;  // between begin and finish
  bool forward_only_ = false;
  int samples_ = 0;
  bool finite_ = true;  // every output of f so far
  std::vector<Output> outputs_;
  ScaledSum joint_R_;
  RoundOutput out_;
  std::unique_ptr<GradientStore> gradients_;  // they are where the scores will be
};

}  // namespace px
