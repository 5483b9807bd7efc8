// y = scale * W x + bias, W the map with weights made on the fly from values and mask.
#pragma once
#include "lists.h"
#include "moments.h"

namespace px {

struct LinearCall {
  struct Tensor {
    const float* x;
    float* y;  // out, must not overlap x
    float scale = 1.0f;
    float* max = nullptr;  // out: the largest entry of y (h, g, j)
  };
  WeightSource weight;
  Grid grid;                    // of each tensor
  std::vector<Tensor> tensors;  // one; or, where vectors run along positions, several that share the lists
  const float* bias = nullptr;
  // Every weight is 1: one output channel a group, the box sum over all input channels. The map has one output channel.
  bool box = false;
  const Epilogue* epilogue = nullptr;  // of a single tensor, where the map takes one
  std::vector<Moments>* moments =
      nullptr;  // out: mean and variance per output channel, where that costs nothing; else left empty
};

// Whether something can be done to outputs as they are stored.
bool takes_epilogue(const LinearMap& map, Grid grid);

void apply_linear(Env& env, const LinearMap& map, const LinearCall& call);

}  // namespace px
