// Parameters: borrowed values, masks of one bit a weight, and the gradients a round gathers.
#pragma once
#include <stdint.h>

#include <vector>

#include "../bits.h"
#include "walk.h"

namespace px {

class Weights {
 public:
  // data[i] points at params[i].size floats, borrowed for the program's life. Masks start as all ones.
  Weights(const Plan& plan, std::vector<const float*> data);

  const float* values(uint32_t param) const { return data_[param]; }
  const uint8_t* mask(uint32_t param) const { return masks_[param].data(); }
  // θ² is taken of θ * 2^shift(param), so that a tensor of tiny weights does not vanish.
  int shift(uint32_t param) const { return shifts_[param]; }
  // Share of the weights that survive.
  double density(uint32_t param) const { return densities_[param]; }
  void set_mask(uint32_t param, const uint8_t* bits, size_t bytes);
  size_t count() const { return data_.size(); }

 private:
  std::vector<const float*> data_;
  std::vector<std::vector<uint8_t>> masks_;  // and eight bytes
  std::vector<int> shifts_;
  std::vector<double> densities_;
  std::vector<size_t> sizes_;
};

// What a round gathers per parameter: dR/d(θ·2^shift)² in stored layout (column 0), float32 times 2^exp, summed over uses and
// micro-batches; and of the upstream of ones (column 1) no more than its sum over surviving weights.
class GradientStore {
 public:
  // values[i]: where parameter i's are gathered, borrowed; whatever they hold until touched.
  GradientStore(const Plan& plan, const std::vector<float*>& values) : plan_(plan) {
    for (float* v : values) slots_.push_back({v, 0, false});
  }
  // Makes room for a contribution with exponent `exp`; what is stored is rescaled.
  struct Admission {
    float factor;  // to multiply it by
    bool first;    // nothing is stored yet: whatever the values hold, they are to be replaced
  };
  Admission admit(Env& env, uint32_t param, int exp);
  float* values(uint32_t param) { return slots_[param].values; }
  int exponent(uint32_t param) const { return slots_[param].exp; }
  bool touched(uint32_t param) const { return slots_[param].touched; }

  void add_total(double sum, int exp) { total_.add(sum, exp); }
  const ScaledSum& total() const { return total_; }

 private:
  struct Slot {
    float* values;
    int exp;
    bool touched;
  };
  const Plan& plan_;
  std::vector<Slot> slots_;
  ScaledSum total_;
};

}  // namespace px
