// The part of the input that a band of outputs reads, gathered so that every tap of every output is one fixed offset away:
// padding is zeros, strides are sorted into residues, channels lie at a stride that does not fall into the same cache sets.
#pragma once
#include "../walk.h"
#include "map.h"

namespace px {

// Along one axis: inputs lo + residue + q*step, for the residues that some tap needs; [residue][q].
class AxisWindow {
 public:
  AxisWindow(const AxisPhase& phase, int span);  // span: outputs along the axis
  int size() const { return static_cast<int>(residues_.size()) * length_; }
  int length() const { return length_; }
  // Where the tap's input of the band's first output lies; output i is i further.
  int slot(size_t tap) const { return slots_[tap]; }
  // The input at [residue][q], relative to the band's first output.
  int input(int residue, int q) const { return lo_ + residues_[residue] + q * step_; }
  int residues() const { return static_cast<int>(residues_.size()); }
  int step() const { return step_; }

 private:
  int lo_ = 0, step_, length_;
  std::vector<int> residues_, slots_;
};

class Window {
 public:
  // rows, cols: outputs of a band; slots: sample blocks side by side; unit: floats of an element (the lanes).
  Window(const LinearMap& map, const Phase& phase, int rows, int cols, int slots, int unit);

  size_t channel() const { return channel_; }  // floats between channels
  // Tap offsets in floats, in the order outer, row, column; and the taps' offsets in the stored weight.
  const std::vector<int32_t>& taps() const { return taps_; }
  const std::vector<size_t>& weights() const { return weights_; }
  // An output of the band: its inputs start here.
  ptrdiff_t point(int slot, int row, int col) const {
    return static_cast<ptrdiff_t>(slot * slot_ + row * row_ + static_cast<size_t>(col) * unit_);
  }

  // Copies channels [first, first + count) (of the tensor) of the band that starts at `outer` and `row`, from sample blocks
  // [block, block + slots).
  void gather(const float* x, size_t first, int count, size_t outer, int row, int block, int slots,
              float* out) const;
  // Adds the channels up into one.
  void gather_sum(const float* x, size_t first, int count, size_t outer, int row, int block, int slots,
                  float* out) const;

 private:
  template <bool Add>
  void channel_of(const float* x, size_t outer, int row, float* out) const;

  const LinearMap& map_;
  const Phase& phase_;
  AxisWindow rows_, cols_;
  int unit_;
  size_t row_, outer_, slot_, channel_;
  std::vector<int32_t> taps_;
  std::vector<size_t> weights_;
};

}  // namespace px
