// Surviving weights as the kernels want them: per four output channels and chunk of input channels, one
// ConvList.
#pragma once
#include <algorithm>
#include <vector>

#include "../scratch.h"
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
// over it, but give an output channel enough entries to make adding to y cheap, and few enough for sums to stay accurate. Counted for AVX-512's tiles whatever the processor has, so that sums are the same.
constexpr int kTilePoints = 4, kTileLanes = 16;
constexpr double kTileFloats = 12 * 1024;
constexpr double kLeastEntries = 10, kMostEntries = 144;
constexpr double kMostAccurate = 96;  // entries of f's sums, where they are not made in runs

class ListBuilder {
 public:
  // entries: offsets in the window, of every tap of each channel of a chunk. weights[t]: each tap's offset in the stored weight.
  // filled: lists hold every place, with zeros where no weight is (not for h). scratch: borrowed while it builds.
  ListBuilder(const Kernels& kernels, const LinearMap& map, const WeightSource& w,
              const std::vector<int32_t>& entries, const std::vector<size_t>& weights, bool filled,
              Scratch& scratch)
      : kernels_(kernels),
        map_(map),
        w_(w),
        entries_(entries),
        weights_(weights),
        taps_(weights.size()),
        spans_(map, weights, w.in_factor != nullptr),
        across_(w.source != Source::mask && across(map, weights)),
        filled_(filled),
        scratch_(scratch) {}

  // Whether filled lists, quickly made, are faster than sorted ones for weights that each meet so many vectors.
  static bool better_filled(double density, size_t vectors);

  // Whether output channels adjoin in the stored weight, as an adjoint's do: lists are then best made of many at a time.
  static bool across(const LinearMap& map, const std::vector<size_t>& weights) {
    return map.w_in > map.w_out && map.w_out <= kMaskSpan &&
           *std::max_element(weights.begin(), weights.end()) < map.w_out;
  }

  // Where quads' lists go, one behind the other. A list needs room for as many offsets as one of its channels has places for weights,
  // and four times as many weights.
  struct Room {
    int32_t* off;
    float* w;  // not used where all weights are 1
  };
  // Quads [first, end) of a group's output channels, input channels [from, to); rooms[i] and lists[i] belong to quad first + i. Where
  // most weights of an h list's channel survive, the list holds those that do not, to be taken off the box sum (ConvList::boxed).
  void build(int group, int first, int end, int from, int to, Room* rooms, ConvList* lists);

  // One channel, all taps of weight 1.
  static ConvList box(const std::vector<int32_t>& taps, int32_t* off);

 private:
  // A place where some channels of a quad have a weight.
  struct Entry {
    int32_t off;
    float factor;
    size_t weight;  // the first channel's
  };
  // A list in the making, its entries set by set.
  struct Quad {
    Entry* next[kQuadSets];
    int channels;
    uint32_t flip;  // channels whose list holds the weights that are gone
  };
  void fill(int group, int first, int end, int from, int to, Room* rooms, ConvList* lists);
  void masked(size_t first, size_t n, float* out) const;
  void fetch(size_t first, size_t n) const;
  template <Source S>
  void collect(int group, int first, int end, int from, int to, Room* rooms, ConvList* lists);
  void scan(Quad& quad, size_t i, size_t n, const int32_t* at, float factor) const;
  void scan_across(size_t i, const int32_t* at, float factor);
  uint64_t taps_of(uint64_t word) const;
  template <Source S>
  ConvList write(const Quad& quad, const Entry* entries, size_t most, Room& room) const;
  template <Source S, int Channels>
  void put(const Entry* from, const Entry* to, const size_t channels[Channels], Room& room) const;
  template <Source S>
  float value(size_t i, float factor) const;
  size_t kept(size_t row, int from, int to) const;

  float factor(int group, int channel) const {
    return w_.in_factor ? w_.factor * w_.in_factor[group * map_.in_channels + channel] : w_.factor;
  }

  const Kernels& kernels_;
  const LinearMap& map_;
  const WeightSource& w_;
  const std::vector<int32_t>& entries_;
  const std::vector<size_t>& weights_;
  const size_t taps_;
  const WeightSpans spans_;
  const bool across_;
  const bool filled_;
  Scratch& scratch_;
  std::vector<Quad> quads_;
};

// How many input channels go into a chunk, `most` entries of an output channel at the most.
int chunk_channels(const LinearMap& map, const Phase& phase, double density, double most);

}  // namespace px
