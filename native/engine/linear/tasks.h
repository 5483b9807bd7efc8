// How one phase of a linear step is cut into tasks: by shapes and density alone, never by the number of threads.
#pragma once
#include "window.h"

namespace px {

// A task computes a chunk of channel quads for a band: rows of some sample blocks at one outer position.
struct Tiling {
  int unit;       // floats of a position: the lanes, or 1 where vectors run along positions
  int vectors;    // vectors a row, for one sample block
  int rows;       // rows a band
  int bands;      // bands over the rows
  int slots;      // sample blocks a band
  int slot_sets;  // bands over the sample blocks
  int chunk;      // input channels gathered at a time

  size_t band_count(const Phase& phase) const {
    return static_cast<size_t>(slot_sets) * phase.outer_out.size() * bands;
  }
};

// Vectors that a row of outputs takes, for one sample block.
int row_vectors(const Phase& phase, Grid grid, int lanes);

// Sample blocks that a band has, or a few more where that divides them evenly.
int slots_of(const Phase& phase, Grid grid, int lanes, bool in_place);

// At most `chunk`, less where a single row of so many channels would not fit into memory meant for caches.
int bounded_chunk(const LinearMap& map, const Phase& phase, Grid grid, int chunk, bool in_place);

Tiling tile(const LinearMap& map, const Phase& phase, Grid grid, int lanes, int chunk, bool in_place);

// One band of a tiling.
struct Band {
  int block, slots;
  size_t outer;
  int row, rows;
  Band(const Tiling& t, const Phase& phase, Grid grid, size_t index) {
    row = static_cast<int>(index % t.bands) * t.rows;
    rows = std::min(t.rows, phase.row->count - row);
    index /= t.bands;
    outer = index % phase.outer_out.size();
    block = static_cast<int>(index / phase.outer_out.size()) * t.slots;
    slots = std::min(t.slots, grid.blocks - block);
  }
};

}  // namespace px
