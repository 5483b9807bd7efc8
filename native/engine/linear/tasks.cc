#include "tasks.h"

#include "lists.h"

namespace px {
namespace {
constexpr size_t kWindowFloats =
    48 * 1024;                    // of a gathered chunk: it should stay in L2 beside lists and outputs
constexpr size_t kMinTasks = 32;  // for threads to share evenly
constexpr int kMinPoints =
    24;  // vectors a band should have: tiles waste little, weights are read once for many
constexpr int kHaloRows = 4;  // fewer rows than this read mostly what their neighbours read
constexpr size_t kMostFloats = size_t{1} << 20;  // of a gathered chunk, in any case

// The least divisor of n that is `wanted` or not much more; or else the largest below.
int share(int n, int wanted) {
  for (int d = wanted; d <= std::min(n, 4 * wanted); ++d)
    if (n % d == 0) return d;
  int d = std::min(n, wanted);
  while (n % d != 0) --d;
  return d;
}

// Where rows adjoin, so many that they fill tiles, if that takes no more than twice as many.
int whole_tiles(const Phase& phase, int rows) {
  if (phase.row_axis->in_stride != static_cast<size_t>(phase.col->count)) return rows;
  for (int more = rows; more <= 2 * rows; ++more)
    if (more * phase.col->count % kTilePoints == 0) return more;
  return rows;
}
}  // namespace

int row_vectors(const Phase& phase, Grid grid, int lanes) {
  const int cols = phase.col->count;
  return grid.lanes == 1 ? (cols + lanes - 1) / lanes : cols;
}

// Whole blocks side by side where a block has too few positions, or too short rows.
int slots_of(const Phase& phase, Grid grid, int lanes, bool in_place) {
  if (in_place) return 1;
  const int cols = phase.col->count, points = phase.row->count * row_vectors(phase, grid, lanes);
  int slots = 1;
  if (phase.outer_out.size() == 1 && points < kMinPoints) slots = (kMinPoints + points - 1) / points;
  if (grid.lanes > 1 && cols < kMinRow) slots = std::max(slots, (kMinRow + cols - 1) / cols);
  return slots;
}

int bounded_chunk(const LinearMap& map, const Phase& phase, Grid grid, int chunk, bool in_place) {
  const Window row(map, phase, 1, phase.col->count, 1, grid.lanes, in_place);
  return std::clamp(static_cast<int>(kMostFloats / row.band()), 1, chunk);
}

Tiling tile(const LinearMap& map, const Phase& phase, Grid grid, int lanes, int chunk, bool in_place) {
  Tiling t;
  const bool positions = grid.lanes == 1;
  t.unit = positions ? 1 : grid.lanes;
  const int cols = phase.col->count, rows = phase.row->count;
  t.vectors = row_vectors(phase, grid, lanes);
  t.chunk = chunk;
  const size_t outer = phase.outer_out.size();
  const int points = rows * t.vectors;
  t.slots = share(grid.blocks, slots_of(phase, grid, lanes, in_place));
  t.slot_sets = grid.blocks / t.slots;
  const Window one(map, phase, 1, cols, t.slots, t.unit, in_place),
      two(map, phase, 2, cols, t.slots, t.unit, in_place);
  const size_t more = std::max<size_t>(1, two.band() - one.band());
  const size_t room = kWindowFloats / static_cast<size_t>(chunk);
  const size_t fit = room > one.band() ? (room - one.band()) / more + 1 : 1;
  t.rows = static_cast<int>(std::min<size_t>(rows, fit));
  // More tasks where they are few, unless bands get so thin that gathering dominates.
  const size_t others = outer * t.slot_sets;
  if (others < kMinTasks && points * t.slots >= 2 * kMinPoints) {
    const int wanted = static_cast<int>((kMinTasks + others - 1) / others);
    const int thin = std::max((rows + wanted - 1) / wanted, map.taps > 1 ? kHaloRows : 1);
    const int full = (kMinPoints + t.vectors - 1) / t.vectors;
    t.rows = std::min(t.rows, std::max(thin, full));
  }
  t.bands = (rows + t.rows - 1) / t.rows;
  t.rows = (rows + t.bands - 1) / t.bands;
  if (in_place) t.rows = std::min(rows, whole_tiles(phase, t.rows));
  t.bands = (rows + t.rows - 1) / t.rows;
  return t;
}

}  // namespace px
