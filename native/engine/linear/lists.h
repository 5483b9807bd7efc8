// Surviving weights as the kernels want them: per pair of output channels and chunk of input channels, one ConvList.
#pragma once
#include <vector>

#include "spans.h"
#include "window.h"

namespace px {

// Where a linear step's weight comes from.
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
constexpr double kTileFloats = 12 * 1024;
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
        weights_(weights),
        taps_(weights.size()),
        spans_(map, weights, w.in_factor != nullptr),
        step_(step),
        across_(spans_.taps_adjoin() && map.w_out == taps_ && taps_ <= kMaskSpan &&
                w.source != Source::mask) {}

  // Offsets, and weights, that a list may have whose channels have `entries` weights.
  static size_t room(size_t entries) { return 2 * entries + 4 * kConvRun; }

  // Where a pair's lists go, one behind the other.
  struct Room {
    int32_t* off;
    float* w;
  };
  // Pairs [first, end) of a group's output channels, input channels [from, to); rooms[i] and lists[i] belong to pair first + i. Where
  // most weights of an h list survive, the list holds those that do not, to be taken off the box sum (ConvList::boxed).
  void build(int group, int first, int end, int from, int to, Room* rooms, ConvList* lists);

  // One channel, all taps of weight 1.
  static ConvList box(const std::vector<int32_t>& taps, Room room);

 private:
  struct Entry {
    int32_t off;
    float w;
  };
  // A list in the making: what both channels have is where it belongs, what each has alone is not.
  struct Pair {
    Room room;
    Entry *first, *second;
    size_t both, firsts, seconds;
    bool two, flip0, flip1;  // flip: the channel's list holds the weights that are gone, as -1
  };
  template <Source S>
  void collect(int group, int first, int end, int from, int to, Room* rooms, ConvList* lists);
  template <Source S>
  void scan(Pair& pair, size_t i, size_t n, const int32_t* at, float factor) const;
  template <Source S>
  void scan_across(std::vector<Pair>& pairs, size_t i, const int32_t* at, float factor) const;
  template <Source S>
  void take(Pair& pair, size_t i, uint64_t a, uint64_t b, const int32_t* at, float factor) const;
  template <Source S>
  float value(size_t i, float factor, bool flip) const;
  size_t kept(size_t row, int from, int to) const;
  ConvList write(Pair& pair, bool joins) const;

  const LinearMap& map_;
  const WeightSource& w_;
  const std::vector<int32_t>& entries_;
  const std::vector<size_t>& weights_;
  const size_t taps_;
  const WeightSpans spans_;
  const uint32_t step_;
  const bool across_;  // output channels adjoin in the stored weight, as an adjoint's do
  std::vector<Entry> alone_;
  std::vector<Pair> pairs_;
};

// How many input channels go into a chunk.
int chunk_channels(const LinearMap& map, const Phase& phase, double density, int lanes, int points);

}  // namespace px
