// Surviving weights as the kernels want them: per pair of output channels and chunk of input channels, one ConvList.
#pragma once
#include <vector>

#include "../weights.h"
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

// Entries a chunk of input channels should give an output channel: long enough to make adding to y cheap, short enough for the two-level
// sums to stay accurate.
constexpr double kChunkEntries = 144;

class ListBuilder {
 public:
  // offsets[t], weights[t]: each tap's offset in the window, and in the stored weight. channel: floats between input channels.
  ListBuilder(const LinearMap& map, const WeightSource& w, const std::vector<int32_t>& offsets,
              const std::vector<size_t>& weights, size_t channel)
      : map_(map), w_(w), offsets_(offsets), weights_(weights), channel_(channel) {}

  // Output channels 2*pair and 2*pair + 1 of a group, input channels [from, to). Writes at most (to - from) * taps offsets and twice as
  // many weights, and moves the pointers on. Where most weights of an h list survive, the list holds those that do not, to be taken
  // off the box sum (ConvList::boxed).
  ConvList build(int group, int pair, int from, int to, int32_t*& off, float*& w);

 private:
  struct Entry {
    int32_t off;
    float w;
  };
  template <Source S>
  void collect(int group, int pair, int from, int to, bool flip0, bool flip1, int32_t*& off, float*& w,
               ConvList& list);
  size_t kept(size_t first, int from, int to) const;

  const LinearMap& map_;
  const WeightSource& w_;
  const std::vector<int32_t>& offsets_;
  const std::vector<size_t>& weights_;
  size_t channel_;
  std::vector<Entry> first_, second_;
};

// How many input channels go into a chunk.
int chunk_channels(const LinearMap& map, size_t taps, double density);

}  // namespace px
