// The relation a linear step is: which input position, through which tap, reaches which output position, and how channels and
// positions lie in memory. The adjoint is the same kind of thing with the two ends exchanged.
#pragma once
#include <vector>

#include "../halo.h"

namespace px {

// Along one axis, outputs that read through the same taps in the same way: output first + i*step reads, through tap k, input
// base + i*in_step. A convolution has one phase; a transposed one has one per residue of its stride.
struct AxisPhase {
  struct Tap {
    int k, base;
  };
  int first = 0, step = 1, count = 1, in_step = 1;
  std::vector<Tap> taps;  // those that reach inside the input for some output
};

struct LinearAxis {
  int in_size = 1, out_size = 1, taps = 1;
  int stride = 1, dilation = 1, pad = 0;
  bool transposed = false;
  size_t in_stride = 0, out_stride = 0, tap_stride = 0;  // elements; the last within the weight
  std::vector<AxisPhase> phases;
};

struct LinearMap {
  int groups, in_channels, out_channels;  // channels per group
  size_t in_channel_stride, out_channel_stride;
  size_t w_group, w_out, w_in;   // steps within the stored weight
  std::vector<LinearAxis> axes;  // at least two; the last two are rows and columns to the kernels
  int taps = 1;                  // in all
  size_t positions = 1;          // outputs: product over axes
  const Halo *in_halo = nullptr, *out_halo = nullptr;  // where there are gaps
  size_t in_elements = 0, out_elements = 0;            // gaps included

  static LinearMap forward(const PlanStep& step, const Halo* in, const Halo* out);
  LinearMap adjoint() const;
};

// One phase of every axis: a plain correlation without further cases. Axes before the last two are spelled out ("outer").
struct Phase {
  // An outer tap: the weight's offset and, per outer output, the input's offset in elements (-1: padding).
  struct Outer {
    size_t weight;
    std::vector<ptrdiff_t> source;
  };
  std::vector<Outer> outer_taps;
  std::vector<size_t> outer_out;  // per outer output, its offset in elements
  const LinearAxis* row_axis;
  const LinearAxis* col_axis;
  const AxisPhase* row;
  const AxisPhase* col;

  // Without a tap the outputs are the bias alone.
  size_t taps() const { return outer_taps.size() * row->taps.size() * col->taps.size(); }
  size_t positions() const { return outer_out.size() * row->count * col->count; }
  // Output offset in elements.
  size_t out_offset(size_t outer, int r, int c) const {
    return outer_out[outer] + (row->first + size_t(r) * row->step) * row_axis->out_stride +
           (col->first + size_t(c) * col->step) * col_axis->out_stride;
  }
};

// All of a map's phases; they borrow from it.
std::vector<Phase> phases_of(const LinearMap& map);

}  // namespace px
