// y = scale * W x + bias, W the map with weights made on the fly from values and mask.
#pragma once
#include "lists.h"
#include "moments.h"

namespace px {

struct LinearCall {
  struct Tensor {
    const float* x;
    // Out. Must not overlap x, but may be what an epilogue adds, if stores_once, or the source of the blocks.
    float* y;
    float scale = 1.0f;
    float* max = nullptr;            // out: the largest entry of y (h, g, j)
    const Blocks* blocks = nullptr;  // instead of x, where the map takes them
  };
  WeightSource weight;
  Grid grid;                    // of each tensor
  std::vector<Tensor> tensors;  // one; or, where vectors run along positions, several that share the lists
  const float* bias = nullptr;
  // Every weight is 1: one output channel a group, the box sum over all input channels. The map has one output channel.
  bool box = false;
  const Epilogue* epilogue = nullptr;  // of a single tensor, where the map takes one
  bool clean = false;                  // y's gaps hold zeros already
  std::vector<Moments>* moments =
      nullptr;  // out: mean and variance per output channel, where that costs nothing; else left empty
};

// Whether something can be done to outputs as they are stored.
bool takes_epilogue(const LinearMap& map, Grid grid);

// Whether no output is stored before all that it is the sum of is added up.
bool stores_once(Env& env, const LinearMap& map, const LinearCall& call);

// Whether x may be Blocks.
bool takes_blocks(const LinearMap& map, Grid grid);

// Whether y may.
bool gives_blocks(const Env& env, const LinearMap& map, Grid grid);

// y as Blocks, for a single tensor and where the map gives them; its y and max are not used. Borrows the map, and what
// the call points at.
std::shared_ptr<const Blocks> linear_blocks(Env& env, const LinearMap& map, const LinearCall& call);

void apply_linear(Env& env, const LinearMap& map, const LinearCall& call);

}  // namespace px
