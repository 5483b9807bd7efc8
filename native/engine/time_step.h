// A linear step by itself, timed: for microbenchmarks, which look at its result, too.
#pragma once
#include "step.h"

namespace px {

// What is timed: one of the step's three forward forms, or half of j's adjoint.
enum class StepPart : uint32_t { f, h, j, data_gradient, weight_gradient };

struct StepTiming {
  StepPart part;
  int samples;
  const char* isa_limit;  // see pick_kernels
  const float* x;         // [samples, input of the step]; not negative, but for f
  const float* d;         // [samples, output of the step], not negative: the upstream of the gradients
  float* out;  // out: [samples, output] of f, h and j, [samples, input], or the parameter's stored layout
  double* seconds;  // out: one per repeat, after one that is not counted
  size_t repeats;
};

// Times the last step of the Plan, which must be linear and have its weights in parameter 0. The weight gradient is timed where the
// step reads the Plan's input, the data gradient where it does not: nobody needs that of the input.
void time_step(const Plan& plan, const float* weights, const uint8_t* mask, size_t mask_bytes,
               const StepTiming& timing, Threads& threads);

// FLOP/s that all threads reach together with these kernels' instructions, at best.
double measure_peak(Threads& threads, const char* isa_limit);

}  // namespace px
