// y = scale * W x + bias for one tensor, W the map with weights made on the fly from values and mask.
#pragma once
#include "lists.h"
#include "moments.h"

namespace px {

struct LinearCall {
  WeightSource weight;
  Grid grid;
  const float* x;
  float* y;  // out, must not overlap x
  const float* bias = nullptr;
  float scale = 1.0f;
  // Every weight is 1: one output channel a group, the box sum over all input channels. The map has one output channel.
  bool box = false;
  float* max = nullptr;  // out: the largest entry of y (h, g, j)
  std::vector<Moments>* moments =
      nullptr;  // out: mean and variance per output channel, where that costs nothing; else left empty
};

void apply_linear(Env& env, const LinearMap& map, const LinearCall& call);

}  // namespace px
