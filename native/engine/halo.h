// Tensors that lie as a convolution reads them: zeros between rows and between channels stand for its padding, so that every tap of every
// output is one fixed offset away and nothing has to be gathered; and channels that would fall into the same sets of a cache are kept
// apart. What is right of a row is left of the next, and what is below a channel is above the next; `lead` zeros stand before the first
// channel. In short [block][channel][row][column][lane], with gaps.
//
// Whoever makes such a tensor leaves zeros in its gaps. Steps that work element by element may run over them: only where a zero does not
// stay one (f's normalisations, some activations) are they cleared again.
#pragma once
#include <initializer_list>
#include <memory>
#include <vector>

#include "plan.h"

namespace px {

struct Halo {
  size_t channels, rows, cols;
  size_t below, right;  // zeros: rows below each channel, columns right of each row
  size_t row;           // elements from a row to the next
  size_t channel;       // and from a channel to the next
  size_t lead;          // zeros before the first

  size_t elements() const { return channels * channel; }
};

// Whether tensors of as many elements lie in the same way.
bool alike(const Halo* a, const Halo* b);

// Floats before the first channel, in whole cache lines; none where there are no gaps.
inline size_t lead_floats(const Halo* halo, size_t lanes) {
  constexpr size_t kLine = 16;
  return halo ? (halo->lead * lanes + kLine - 1) / kLine * kLine : 0;
}

// Outputs a row should have: shorter ones are gathered, those of several sample blocks side by side.
constexpr int kMinRow = 6;

// Which of a Plan's values lie so: what linear, normalising, activating and summing steps make, where it reaches a convolution that needs
// it. All values of a chain of steps that work element by element lie alike.
class Halos {
 public:
  // given: values that no step of the plan makes or reads by a convolution, but whose owner lays them as if.
  explicit Halos(const Plan& plan, std::initializer_list<uint32_t> given = {});
  // Null: without gaps.
  const Halo* of(uint32_t value) const { return values_[value].get(); }

 private:
  std::vector<std::shared_ptr<const Halo>> values_;
};

// Whether a step works element by element on values that lie alike.
bool keeps_halo(const Plan& plan, const PlanStep& step);

// Zeros in the gaps among floats [lo, hi) of a tensor at x.
void clear_gaps(const Halo& halo, size_t lanes, float* x, size_t lo, size_t hi);

}  // namespace px
