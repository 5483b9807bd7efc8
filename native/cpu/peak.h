// What a processor core reaches at best: the yardstick of "% of peak".
#pragma once
#include <stddef.h>

namespace px {

// Multiplications and additions on registers alone, in as many independent chains as hide their latency.
struct PeakLoop {
  void (*run)(size_t rounds, float* sink);  // sink: out, one float, so that no compiler drops the loop
  double flop;                              // of a round
};

// For an instruction set as Kernels::isa names it.
PeakLoop peak_loop(const char* isa);

}  // namespace px
