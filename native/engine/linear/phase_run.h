// A linear step of one phase: its lists, and how it is cut into tasks.
#pragma once
#include <memory>

#include "apply.h"
#include "tasks.h"

namespace px {

// One phase of one call.
class PhaseRun {
 public:
  PhaseRun(Env& env, const LinearMap& map, const Phase& phase, const LinearCall& call,
           std::vector<SharedMax>& tops, bool clears);

  void run();
  // Lists; then blocks may be computed one by one, by several threads.
  void prepare();
  void run_block(int block, float* y);
  // All of them at once: into the call's tensors, or to `whole`.
  void run_bands(float* whole);

  // Of input channels, whose sums are added up in the outputs.
  int chunks() const { return chunks_; }

 private:
  class Task;

  // Quads a task has, from number `task` of its band on.
  void run_band(size_t index, size_t task, const float* x, float* y);
  size_t tasks() const { return (quads_ + quad_chunk_ - 1) / quad_chunk_; }

  // Share of places that lists hold.
  double list_density() const { return filled_ ? 1.0 : call_.weight.density; }
  double most_entries() const {
    return call_.weight.source == Source::theta && !runs_ ? kMostAccurate : kMostEntries;
  }

  bool moments() const { return call_.moments != nullptr; }

  // Blocks of all tensors count through.
  Grid grid() const {
    Grid g = call_.grid;
    g.blocks = blocks_;
    return g;
  }
  const LinearCall::Tensor& tensor(int block) const { return call_.tensors[block / call_.grid.blocks]; }
  const float* x(int block) const {
    return tensor(block).x + block % call_.grid.blocks * map_.in_elements * call_.grid.lanes;
  }
  float* y(int block) const {
    return tensor(block).y + block % call_.grid.blocks * map_.out_elements * call_.grid.lanes;
  }

  // That a weight meets.
  size_t vectors() const {
    if (call_.grid.lanes > 1) return phase_.positions() * blocks_;
    // Along positions, with what lies between rows.
    const size_t row = Window(map_, phase_, 1, phase_.col->count, 1, 1, false).row();
    return phase_.outer_out.size() * ((phase_.row->count * row + lanes_ - 1) / lanes_) * blocks_;
  }

  // Outputs of neighbouring rows are neighbours.
  bool rows_join() const {
    return phase_.col->step * phase_.col_axis->out_stride == 1 && phase_.row->step == 1 &&
           phase_.row_axis->out_stride == static_cast<size_t>(phase_.col->count);
  }

  bool ones() const { return call_.box || call_.weight.source == Source::mask; }

  ListBuilder builder(Scratch& scratch) const {
    return ListBuilder(env_.kernels, map_, call_.weight, entries_, window_.weights(), filled_, scratch);
  }

  size_t quads_together(size_t room) const;
  void gather_bands();
  size_t in_channels() const { return static_cast<size_t>(map_.groups) * map_.in_channels; }
  void pack();
  void merge_moments(size_t bands);

  Env& env_;
  const LinearMap& map_;
  const Phase& phase_;
  const LinearCall& call_;
  std::vector<SharedMax>& tops_;  // per tensor; empty: not wanted
  const int lanes_;
  const int blocks_;   // of all tensors
  const bool filled_;  // see ListBuilder
  const bool in_place_;
  const bool runs_;  // f's sums want accuracy
  const int chunk_, chunks_, quads_;
  const bool clears_;  // each band's gaps are cleared with it
  const Tiling tiling_;
  const Window window_;
  std::vector<int32_t> entries_;
  int quad_chunk_ = 1;
  std::vector<ConvList> lists_;  // empty: made by each task
  Buffer offsets_, weights_;
  Buffer windows_;       // all bands' windows, where several tasks read each
  ConvList box_list_{};  // the box sum that lists of what is gone are taken off (h)
  std::vector<int32_t> box_offsets_;
  std::vector<Moments> parts_;  // per band and channel
};

}  // namespace px
