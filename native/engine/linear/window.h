// The part of the input that a band of outputs reads, so that every tap of every output is one fixed offset away. Where the input
// lies so already (halo.h), it is read in place; else it is gathered: padding is zeros, strides are sorted into residues, channels
// lie at a stride that does not fall into the same cache sets.
#pragma once
#include "../walk.h"
#include "map.h"

namespace px {

// Along one axis: inputs lo + residue + q*step, for the residues that some tap needs; [residue][q].
class AxisWindow {
 public:
  AxisWindow(const AxisPhase& phase, int span);  // span: outputs along the axis
  int length() const { return length_; }
  // Where the tap's input of the band's first output lies; output i is i further.
  int residue(size_t tap) const { return taps_[tap].residue; }
  int shift(size_t tap) const { return taps_[tap].shift; }
  // The input at [residue][q], relative to the band's first output.
  int input(int residue, int q) const { return lo_ + residues_[residue] + q * step_; }
  int residues() const { return static_cast<int>(residues_.size()); }
  int step() const { return step_; }

 private:
  struct Tap {
    int residue, shift;
  };
  int lo_ = 0, step_, length_;
  std::vector<int> residues_;
  std::vector<Tap> taps_;
};

// Whether all that a phase reads is in the input as it lies, at a fixed offset from each output.
bool reads_in_place(const LinearMap& map, const Phase& phase, Grid grid);

// A gathered channel is [outer tap][row residue][column residue][row][column][sample block][lane]: neighbouring outputs of a row lie
// next to each other, all their blocks included.
class Window {
 public:
  // rows, cols: outputs of a band; slots: sample blocks side by side; lanes: of the grid, 1 where vectors run along positions.
  Window(const LinearMap& map, const Phase& phase, int rows, int cols, int slots, int lanes, bool in_place);

  bool in_place() const { return in_place_; }
  size_t channel() const { return channel_; }  // floats between channels
  size_t band() const {
    return band_;
  }                                    // floats that the band reads of a channel, what lies between included
  size_t row() const { return row_; }  // between the inputs of an output and of the one below
  size_t position() const { return unit_; }  // and of the one beside it
  // Tap offsets in floats, in the order outer, row, column; and the taps' offsets in the stored weight.
  const std::vector<int32_t>& taps() const { return taps_; }
  const std::vector<size_t>& weights() const { return weights_; }
  // The taps' offsets of so many neighbouring channels.
  std::vector<int32_t> entries(int channels) const;
  // An output of the band: its inputs start here.
  ptrdiff_t point(int slot, int row, int col) const {
    return static_cast<ptrdiff_t>(slot * slot_ + row * row_ + col * unit_);
  }

  // What the band that starts at `outer` and `row` reads of a channel lies in elements [first, end) of it, where there is one outer tap.
  struct Reach {
    ptrdiff_t first, end;
  };
  Reach reach(size_t outer, int row) const;

  // Read in place: where the band that starts at `row` begins in a channel of a sample block at x.
  const float* at(const float* x, size_t channel, int row) const {
    const ptrdiff_t place = static_cast<ptrdiff_t>(channel * map_.in_channel_stride) + cols_.input(0, 0) +
                            (rows_.input(0, 0) + row) * static_cast<ptrdiff_t>(phase_.row_axis->in_stride);
    return x + place * static_cast<ptrdiff_t>(lanes_);
  }

  // Copies channels [first, first + count) (of the tensor) of the band that starts at `outer` and `row`, from a sample block at x to
  // its slot.
  void gather(const float* x, size_t first, int count, size_t outer, int row, int slot, float* out) const;
  // Adds the channels up into one.
  void gather_sum(const float* x, size_t first, int count, size_t outer, int row, int slot, float* out) const;

 private:
  // Of the inputs along an axis, [from, to) are real; the first of these is at `at`, in elements.
  struct Part {
    int from, to;
    ptrdiff_t at;
  };
  void lay_columns();
  // Per outer tap and row residue.
  std::vector<Part> rows_of(size_t outer, int row) const;
  template <bool Add>
  void channel_of(const float* x, const std::vector<Part>& rows, float* out) const;
  template <bool Add>
  void row_of(const float* x, const Part& columns, float* out) const;

  const LinearMap& map_;
  const Phase& phase_;
  AxisWindow rows_, cols_;
  const bool in_place_;
  size_t lanes_, unit_, row_, outer_, slot_, channel_, band_;
  std::vector<Part> columns_;  // per column residue
  bool whole_ = false;         // rows lie side by side here as there
  std::vector<int32_t> taps_;
  std::vector<size_t> weights_;
};

}  // namespace px
