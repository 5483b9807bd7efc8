// The weights between one output channel and a range of input channels, in runs that adjoin in the stored weight: masks are then read in
// words, and what is gone costs next to nothing.
#pragma once
#include "../weights.h"
#include "map.h"

namespace px {

class WeightSpans {
 public:
  // weights[t]: each tap's offset in the stored weight. by_channel: no run goes beyond a channel.
  WeightSpans(const LinearMap& map, const std::vector<size_t>& weights, bool by_channel)
      : weights_(weights), step_(map.w_in) {
    for (size_t t = 1; t < weights.size(); ++t) taps_adjoin_ = taps_adjoin_ && weights[t] == weights[0] + t;
    channels_adjoin_ = taps_adjoin_ && step_ == weights.size() && !by_channel;
  }

  // fn(first weight, its number among all taps of these channels, how many, input channel), at most so many at a time. row: the
  // output channel's first weight.
  template <typename Fn>
  void each(size_t row, int from, int to, Fn fn, size_t most = kMaskSpan) const {
    const size_t taps = weights_.size();
    if (channels_adjoin_)
      return adjoining(row + from * step_ + weights_[0], 0, (to - from) * taps, from, most, fn);
    for (int c = from; c < to; ++c) {
      const size_t first = row + c * step_, entry = (c - from) * taps;
      if (taps_adjoin_)
        adjoining(first + weights_[0], entry, taps, c, most, fn);
      else
        for (size_t t = 0; t < taps; ++t) fn(first + weights_[t], entry + t, size_t{1}, c);
    }
  }

  bool taps_adjoin() const { return taps_adjoin_; }
  // All taps of all channels are one run.
  bool channels_adjoin() const { return channels_adjoin_; }

 private:
  template <typename Fn>
  static void adjoining(size_t first, size_t entry, size_t n, int channel, size_t most, Fn& fn) {
    for (size_t i = 0; i < n; i += most) fn(first + i, entry + i, std::min(most, n - i), channel);
  }

  const std::vector<size_t>& weights_;
  const size_t step_;
  bool taps_adjoin_ = true, channels_adjoin_;
};

}  // namespace px
