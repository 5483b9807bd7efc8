// A tensor of one pass. h, g and j are non-negative and may leave float32's range, so the true number is data * 2^exp.
#pragma once
#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <vector>

#include "buffers.h"

namespace px {

struct Halo;     // halo.h
struct Moments;  // linear/moments.h

// scale*(x - center) + shift, each holding for runs of `segment` elements and repeating; any may be empty.
struct ChannelAffine {
  std::vector<float> center, scale, shift;
  size_t segment = 1;

  size_t period() const { return std::max(scale.size(), shift.size()); }
};

struct Env;
struct Value;

// A tensor that is not in memory: its reader makes it, a block of samples at a time, where it reads it. make may be called by several
// threads, and gaps are cleared.
struct Blocks {
  int count;
  size_t floats;  // of a block
  std::function<void(int block, float* out)> make;
  std::function<void(float* out)> whole;  // all of it, by all threads at once; null: block by block
  // Where a block is made of the same block of one tensor, which lies likewise: what becomes of a block may be written over that, if make alone
  // holds it. Null: it is not.
  const Buffer* source = nullptr;

  // Whether all of so many threads find work where each makes what it reads.
  bool enough_for(int threads) const { return count >= 2 * threads; }
};

// What may be done to a linear step's output as it is stored: y = (bit ? factor * scale[channel] * y + plus->factor * plus : 0).
struct Epilogue {
  const uint8_t* bits;  // one a float of y, gaps included
  float factor = 1.0f;
  const float* scale = nullptr;  // per channel, or null
  const Value* plus = nullptr;   // lies like y, and nothing is left to do on it but its factor
  bool by_block = false;         // wanted as Blocks
};

// Arithmetic may be left to the reader, so that a normalisation or a sum costs no pass of its own (lazy.h): the tensor is then
// factor * affine(data) + plus, and `max` is a bound.
struct Value {
  Buffer data;
  int exp = 0;
  float max = 0.0f;  // largest entry; 0 means the tensor is zero, and takes no part in any alignment

  const Halo* halo =
      nullptr;  // how the data lies where it has gaps; those of a Plan's values live as long as its program

  std::shared_ptr<const ChannelAffine> affine;
  float factor = 1.0f;
  std::shared_ptr<const Value> plus;
  size_t repeat = 1;  // so many neighbouring channels, of `plane` elements each, are one channel of data
  size_t plane = 0;
  std::shared_ptr<const std::vector<Moments>> moments;  // per channel of data, where its maker knows them
  // Instead of data: a linear step that waits for what can be done to its output as it is stored; null: nothing. The result's exponent
  // is the value's own before any factor.
  std::shared_ptr<const std::function<Value(Env&, const Epilogue*)>> pending;
  bool splits = false;                   // what is pending may be wanted as Blocks
  std::shared_ptr<const Blocks> blocks;  // instead of data, with nothing left to do on them

  bool zero() const { return !(max > 0.0f); }
  bool lazy() const { return affine || plus || repeat > 1 || pending || blocks; }
};

// 2^k as a float, k clamped to the normal range: scaling by it is exact.
inline float pow2(int k) { return std::ldexp(1.0f, std::clamp(k, -126, 126)); }

// k such that max * 2^k lies in [1/2, 1); 0 for a zero tensor. Clamped like pow2, so that the two agree.
inline int lift(float max) {
  if (!(max > 0.0f) || !std::isfinite(max)) return 0;
  int e;
  std::frexp(max, &e);
  return std::clamp(-e, -126, 126);
}

// c = mantissa * 2^exp with the mantissa in [1/2, 1): how constants enter a scaled tensor. 0 stays 0.
struct Scalar {
  float mantissa;
  int exp;
};
inline Scalar split(double c) {
  Scalar s{0.0f, 0};
  s.mantissa = static_cast<float>(std::frexp(c, &s.exp));
  return s;
}

// A sum of non-negative numbers far apart in size: double times 2^exp.
struct ScaledSum {
  double sum = 0.0;
  int exp = 0;

  void add(double v, int e) {
    if (v == 0.0) return;
    int shift;
    v = std::frexp(v, &shift);
    e += shift;
    if (sum == 0.0 || e > exp) {
      sum = std::ldexp(sum, std::max(exp - e, -2000));
      exp = e;
    }
    sum += std::ldexp(v, std::max(e - exp, -2000));
  }
  double log2() const { return sum > 0.0 ? std::log2(sum) + exp : -INFINITY; }
};

}  // namespace px
