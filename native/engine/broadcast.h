// Values of different shapes against each other: visits every output element with the matching element of each operand.
#pragma once
#include "walk.h"

namespace px {

class Broadcast {
 public:
  // `in` broadcasts to `out`, aligned at the last axis.
  Broadcast(const std::vector<uint32_t>& in, const std::vector<uint32_t>& out);
  // So many neighbours, from each multiple on, come from one element.
  size_t run() const { return !dims_.empty() && dims_.back().second == 0 ? dims_.back().first : 1; }
  bool same() const { return same_; }
  // Offset (in elements) of the operand's element for output element e.
  size_t at(size_t e) const {
    if (same_) return e;
    size_t offset = 0;
    for (size_t i = dims_.size(); i-- > 0;) {
      offset += e % dims_[i].first * dims_[i].second;
      e /= dims_[i].first;
    }
    return offset;
  }
  size_t elements() const { return elements_; }

 private:
  bool same_;
  size_t elements_ = 1;                          // of the operand
  std::vector<std::pair<size_t, size_t>> dims_;  // (size, stride), neighbouring axes merged
};

// The operand spread out to the output's shape; itself when the shapes agree.
Buffer spread(Env& env, Grid grid, const Broadcast& b, size_t out_elements, const Buffer& x);
// The adjoint: sums of d over the output elements that read the same operand element.
Value gathered(Env& env, Grid grid, const Broadcast& b, size_t out_elements, Value d);

}  // namespace px
