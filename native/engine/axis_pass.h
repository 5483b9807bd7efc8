// One axis of a value under a sparse map: what fixed steps and max gates are made of.
#pragma once
#include "walk.h"

namespace px {

// Rows and columns exchanged: y = Aᵀ d.
AxisMap transposed(const AxisMap& a);

// y along map.axis; `shape` becomes the output's. The largest entry is found when asked for (h, g, j).
Value apply_axis(Env& env, Grid grid, std::vector<uint32_t>& shape, const AxisMap& map, Value x, float scale,
                 float fill, bool want_max);

// f's maximum and its companion's choice along one axis, choices kept on request.
struct Chosen {
  Value f, companion;
  Buffer choice;  // uint8 per output float where windows have at most 256 entries, else uint32
};
Chosen choose_axis(Env& env, Grid grid, std::vector<uint32_t>& shape, const AxisMap& map, Value f,
                   Value companion, bool keep);

// The adjoint of a choice: each input gets the upstream of the outputs that chose it. `shape` is the output's, and becomes the input's.
Value unchoose_axis(Env& env, Grid grid, std::vector<uint32_t>& shape, const AxisMap& map,
                    const Buffer& choice, Value d);

}  // namespace px
