// The relation a linear step is: which input position, through which tap, reaches which output position, and how channels and
// positions lie in memory. The adjoint is the same kind of thing with the two ends exchanged.
#pragma once
#include "../plan.h"

namespace px {

struct LinearAxis {
  int in_size, out_size, taps;
  // source[o * taps + k]: the input index that output index o reads through tap k, or -1.
  std::vector<int32_t> source;
  // Per tap, the run of outputs that read it: outputs first_out + i*out_step read inputs first_in + i*in_step, i < count.
  struct Run {
    int first_out, out_step, first_in, in_step, count;
  };
  std::vector<Run> runs;
  size_t in_stride, out_stride, tap_stride;  // elements; the last within the weight
};

struct LinearMap {
  int groups, in_channels, out_channels;  // channels per group
  size_t in_channel_stride, out_channel_stride;
  size_t w_group, w_out, w_in;
  std::vector<LinearAxis> axes;  // at least one
  int taps = 1;                  // in all
  size_t positions = 1;          // outputs: product over axes
  size_t in_elements = 0, out_elements = 0;
  std::vector<size_t> tap_offsets;  // per flattened tap, its offset within the weight

  // Rows are runs along the last axis: positions = rows * width.
  int width() const { return axes.back().out_size; }
  size_t rows() const { return positions / axes.back().out_size; }

  static LinearMap forward(const Plan& plan, const PlanStep& step);
  LinearMap adjoint() const;
};

}  // namespace px
