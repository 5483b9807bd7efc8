#include "segments.h"

namespace px {

Segments Segments::of(const Operand& o, const std::vector<uint32_t>& shape) {
  const size_t rank = shape.size();
  std::vector<uint32_t> dims(rank, 1);
  for (size_t i = 0; i < o.shape.size(); ++i) dims[rank - 1 - i] = o.shape[o.shape.size() - 1 - i];

  Segments s;
  size_t a = rank;
  for (; a > 0 && dims[a - 1] == 1; --a) s.segment *= shape[a - 1];  // trailing axes it is constant over
  size_t top = 0;
  while (top < a && dims[top] == 1) ++top;  // leading axes it repeats over
  // Between the two every axis is spelled out; one it is constant over is expanded.
  size_t n = 1;
  for (size_t i = top; i < a; ++i) n *= shape[i];
  s.values.resize(n);
  for (size_t e = 0; e < n; ++e) {
    size_t rest = e, at = 0, stride = 1;
    for (size_t i = a; i-- > top;) {
      const size_t index = rest % shape[i];
      rest /= shape[i];
      if (dims[i] != 1) at += index * stride;
      stride *= dims[i];
    }
    s.values[e] = o.data[at];
  }
  return s;
}

}  // namespace px
