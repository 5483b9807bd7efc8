// A constant that broadcasts against a value, as runs: coefficient[i % period] holds for `segment` elements, then the next.
#pragma once
#include "plan.h"

namespace px {

struct Segments {
  std::vector<float> values;
  size_t segment = 1;  // elements a value holds for

  size_t period() const { return values.size(); }
  static Segments of(const Operand& o, const std::vector<uint32_t>& shape);
};

}  // namespace px
