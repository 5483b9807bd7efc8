// Surviving weights as the kernels want them: per pair of output channels and chunk of input channels, one ConvList.
#pragma once
#include <vector>

#include "spans.h"
#include "window.h"

namespace px {

// Where a linear step's weight comes from: the first of the two choices that describe a pass.
enum class Source { theta, mask, theta_squared };  // θ·m, m, (θ·2^shift)²·m

struct WeightSource {
  Source source;
  const float* values;
  const uint8_t* mask;
  float squared_scale;     // 2^shift
  float factor;            // multiplies every weight (alpha)
  double density;          // share of the parameter's weights that survive
  const float* in_factor;  // per input channel of the tensor (all groups), or null: multiplies its weights
};

// A chunk of input channels should be small enough for what a tile of points reads of it to stay in L1 while all output channels go
// over it, but give an output channel enough entries to make adding to y cheap, and few enough for sums to stay accurate.
constexpr double kTileFloats = 5 * 1024;
constexpr double kLeastEntries = 10, kMostEntries = 144;

class ListBuilder {
 public:
  // entries: offsets in the window, of every tap of each channel of a chunk. weights[t]: each tap's offset in the stored weight. step:
  // what the number of weights that both channels of a pair have is a multiple of.
  ListBuilder(const LinearMap& map, const WeightSource& w, const std::vector<int32_t>& entries,
              const std::vector<size_t>& weights, uint32_t step)
      : map_(map),
        w_(w),
        entries_(entries),
        taps_(weights.size()),
        spans_(map, weights, w.in_factor != nullptr),
        step_(step) {}

  // Offsets, and weights, that a list may have whose channels have `entries` weights.
  static size_t room(size_t entries) { return 2 * entries + 4 * kConvRun; }

  // Output channels 2*pair and 2*pair + 1 of a group, input channels [from, to). Moves the pointers behind what it writes. Where most
  // weights of an h list survive, the list holds those that do not, to be taken off the box sum (ConvList::boxed).
  ConvList build(int group, int pair, int from, int to, int32_t*& off, float*& w);

  // One channel, all taps of weight 1.
  static ConvList box(const std::vector<int32_t>& taps, int32_t* off, float* w);

 private:
  struct Entry {
    int32_t off;
    float w;
  };
  template <Source S>
  ConvList collect(int group, int pair, int from, int to, bool flip0, bool flip1, int32_t*& off, float*& w);
  size_t kept(size_t row, int from, int to) const;
  void write_single(size_t first, size_t second, ConvList& list, int32_t*& off, float*& w);

  const LinearMap& map_;
  const WeightSource& w_;
  const std::vector<int32_t>& entries_;
  const size_t taps_;
  const WeightSpans spans_;
  const uint32_t step_;
  std::vector<Entry> first_, second_;  // what each channel of a pair has alone
};

// How many input channels go into a chunk.
int chunk_channels(const LinearMap& map, const Phase& phase, double density, int lanes, int points);

}  // namespace px
