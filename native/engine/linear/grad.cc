#include "grad.h"

#include <string.h>

#include "panel.h"

namespace px {
namespace {

constexpr int kRowTiles = 4;  // 16 output channels a task
constexpr int kColTiles = 4;  // 12 input channels a task
constexpr int kRowChunk = kRowTiles * kGradRows;
constexpr int kColChunk = kColTiles * kGradCols;
constexpr int kTile = kGradRows * kGradCols * 8;  // floats of one tile's partial sums
constexpr int kGradPanel = 64;
constexpr int kPanelCols = 96;

float total(const float* sums) {
  double s = 0.0;
  for (int i = 0; i < 8; ++i) s += sums[i];
  return static_cast<float>(s);
}

// Lanes are samples. A task owns kRowChunk x kColChunk channels of one group and all taps; where that leaves too few tasks the rows
// are split as well, by shape, and the parts are added in order.
struct SampleLanes {
  Env& env;
  const LinearMap& map;
  Grid grid;
  const float* x;
  const float* d;

  int row_chunks() const { return (map.out_channels + kRowChunk - 1) / kRowChunk; }
  int col_chunks() const { return (map.in_channels + kColChunk - 1) / kColChunk; }

  // Partial sums of one task over the (sample block, row) pairs [first, end): sums[tap][row tile][col tile][kTile].
  void gather(int group, int row0, int col0, size_t first, size_t end, float* sums) const {
    const size_t lanes = grid.lanes;
    const int rows = std::min(kRowChunk, map.out_channels - row0),
              cols = std::min(kColChunk, map.in_channels - col0);
    auto kernel = lanes == 8 ? env.kernels.grad8 : env.kernels.grad16;
    const size_t n = map.axes.size();
    std::vector<int> index(n, 0);
    const LinearAxis& last = map.axes.back();
    for (size_t pair = first; pair < end; ++pair) {
      const size_t block = pair / map.rows();
      size_t rest = pair % map.rows(), out_offset = 0;
      for (size_t a = n - 1; a-- > 0;) {
        index[a] = static_cast<int>(rest % map.axes[a].out_size);
        rest /= map.axes[a].out_size;
        out_offset += index[a] * map.axes[a].out_stride;
      }
      const float* xs = x + (block * map.in_elements +
                             static_cast<size_t>(group * map.in_channels + col0) * map.in_channel_stride) *
                                lanes;
      const float* ds = d + (block * map.out_elements +
                             static_cast<size_t>(group * map.out_channels + row0) * map.out_channel_stride) *
                                lanes;
      for (int t = 0; t < map.taps; ++t) {
        const LinearAxis::Run& run = last.runs[t % last.taps];
        ptrdiff_t in_offset = lead_offset(index, t / last.taps);
        if (run.count == 0 || in_offset < 0) continue;
        GradArgs a{};
        a.x_channel = static_cast<ptrdiff_t>(map.in_channel_stride * lanes);
        a.d_channel = static_cast<ptrdiff_t>(map.out_channel_stride * lanes);
        a.x_step = static_cast<ptrdiff_t>(run.in_step * last.in_stride * lanes);
        a.d_step = static_cast<ptrdiff_t>(run.out_step * last.out_stride * lanes);
        a.points = run.count;
        const float* x0 = xs + (in_offset + run.first_in * last.in_stride) * lanes;
        const float* d0 = ds + (out_offset + run.first_out * last.out_stride) * lanes;
        for (int i = 0; i * kGradRows < rows; ++i)
          for (int j = 0; j * kGradCols < cols; ++j) {
            a.rows = std::min(kGradRows, rows - i * kGradRows);
            a.cols = std::min(kGradCols, cols - j * kGradCols);
            a.x = x0 + j * kGradCols * a.x_channel;
            a.d = d0 + i * kGradRows * a.d_channel;
            a.sum = sums + (static_cast<size_t>(t) * kRowTiles * kColTiles + i * kColTiles + j) * kTile;
            kernel(&a);
          }
      }
    }
  }

  ptrdiff_t lead_offset(const std::vector<int>& index, int tap) const {
    ptrdiff_t offset = 0;
    for (size_t a = map.axes.size() - 1; a-- > 0;) {
      const LinearAxis& axis = map.axes[a];
      const int i = axis.source[static_cast<size_t>(index[a]) * axis.taps + tap % axis.taps];
      if (i < 0) return -1;
      offset += static_cast<ptrdiff_t>(i * axis.in_stride);
      tap /= axis.taps;
    }
    return offset;
  }

  void add(float factor, float* gradient) const {
    const size_t tiles = static_cast<size_t>(map.groups) * row_chunks() * col_chunks();
    const size_t pairs = grid.blocks * map.rows();
    const size_t parts = std::min<size_t>(pairs, tiles >= 16 ? 1 : (16 + tiles - 1) / tiles);
    const size_t task_sums = static_cast<size_t>(map.taps) * kRowTiles * kColTiles * kTile;
    if (parts == 1) {
      env.threads.run(tiles, [&](size_t tile) {
        std::vector<float> sums(task_sums, 0.0f);
        gather(group(tile), row0(tile), col0(tile), 0, pairs, sums.data());
        store(tile, sums.data(), 1, task_sums, factor, gradient);
      });
      return;
    }
    std::vector<float> sums(tiles * parts * task_sums, 0.0f);
    env.threads.run(tiles * parts, [&](size_t t) {
      const size_t tile = t / parts, part = t % parts;
      gather(group(tile), row0(tile), col0(tile), pairs * part / parts, pairs * (part + 1) / parts,
             sums.data() + t * task_sums);
    });
    env.threads.run(tiles, [&](size_t tile) {
      store(tile, sums.data() + tile * parts * task_sums, parts, task_sums, factor, gradient);
    });
  }

  int group(size_t tile) const {
    return static_cast<int>(tile / (static_cast<size_t>(row_chunks()) * col_chunks()));
  }
  int row0(size_t tile) const { return static_cast<int>(tile / col_chunks() % row_chunks()) * kRowChunk; }
  int col0(size_t tile) const { return static_cast<int>(tile % col_chunks()) * kColChunk; }

  void store(size_t tile, const float* sums, size_t parts, size_t stride, float factor,
             float* gradient) const {
    const int r0 = row0(tile), c0 = col0(tile);
    const int rows = std::min(kRowChunk, map.out_channels - r0),
              cols = std::min(kColChunk, map.in_channels - c0);
    for (int t = 0; t < map.taps; ++t)
      for (int m = 0; m < rows; ++m)
        for (int c = 0; c < cols; ++c) {
          const size_t at =
              (static_cast<size_t>(t) * kRowTiles * kColTiles + m / kGradRows * kColTiles + c / kGradCols) *
                  kTile +
              (m % kGradRows * kGradCols + c % kGradCols) * 8;
          double s = 0.0;
          for (size_t p = 0; p < parts; ++p) s += total(sums + p * stride + at);
          gradient[group(tile) * map.w_group + (r0 + m) * map.w_out + (c0 + c) * map.w_in +
                   map.tap_offsets[t]] += factor * static_cast<float>(s);
        }
  }
};

// Lanes are positions of single samples. Columns k = (tap, input channel) are gathered a panel at a time. Groups of one channel
// (depthwise) share a task, for their own work is too little.
struct PositionLanes {
  Env& env;
  const LinearMap& map;
  Grid grid;
  const float* x;
  const float* d;

  void add(float factor, float* gradient) const {
    const int k_all = map.taps * map.in_channels;
    const int row_chunks = (map.out_channels + kRowChunk - 1) / kRowChunk,
              col_chunks = (k_all + kPanelCols - 1) / kPanelCols;
    const size_t per_group = static_cast<size_t>(row_chunks) * col_chunks;
    const int panel =
        map.positions >= kGradPanel ? kGradPanel : static_cast<int>((map.positions + 7) / 8 * 8);
    const size_t grain = std::max<size_t>(
        1, kGrainFloats / (static_cast<size_t>(map.positions) * std::min(k_all, kPanelCols)));
    for_ranges(env.threads, map.groups * per_group, grain, [&](size_t lo, size_t hi, size_t) {
      std::vector<float> columns(static_cast<size_t>(kPanelCols) * panel),
          rows(static_cast<size_t>(kRowChunk) * panel);
      std::vector<float> sums(static_cast<size_t>(kRowTiles) * (kPanelCols / kGradCols) * kTile);
      for (size_t i = lo; i < hi; ++i)
        tile(static_cast<int>(i / per_group), static_cast<int>(i / col_chunks % row_chunks) * kRowChunk,
             static_cast<int>(i % col_chunks) * kPanelCols, panel, columns.data(), rows.data(), sums, factor,
             gradient);
    });
  }

  void tile(int group, int row0, int k0, int panel, float* columns, float* rows, std::vector<float>& sums,
            float factor, float* gradient) const {
    const int m_count = std::min(kRowChunk, map.out_channels - row0),
              k_count = std::min(kPanelCols, map.taps * map.in_channels - k0);
    std::fill(sums.begin(), sums.end(), 0.0f);
    const int tiles_k = kPanelCols / kGradCols;
    GradArgs a{};
    a.x_channel = a.d_channel = panel;
    a.x_step = a.d_step = 8;
    a.points = panel / 8;
    for (int b = 0; b < grid.blocks; ++b)
      for (size_t first = 0; first < map.positions; first += panel) {
        const Panel p(map, first, panel);
        p.gather(
            map,
            x + b * map.in_elements + static_cast<size_t>(group) * map.in_channels * map.in_channel_stride,
            k0, k0 + k_count, columns);
        p.gather_out(map,
                     d + b * map.out_elements +
                         static_cast<size_t>(group * map.out_channels + row0) * map.out_channel_stride,
                     m_count, rows);
        for (int i = 0; i * kGradRows < m_count; ++i)
          for (int j = 0; j * kGradCols < k_count; ++j) {
            a.rows = std::min(kGradRows, m_count - i * kGradRows);
            a.cols = std::min(kGradCols, k_count - j * kGradCols);
            a.x = columns + static_cast<size_t>(j) * kGradCols * panel;
            a.d = rows + static_cast<size_t>(i) * kGradRows * panel;
            a.sum = sums.data() + (static_cast<size_t>(i) * tiles_k + j) * kTile;
            env.kernels.grad8(&a);
          }
      }
    for (int m = 0; m < m_count; ++m)
      for (int k = 0; k < k_count; ++k) {
        const float s =
            total(sums.data() + (static_cast<size_t>(m / kGradRows) * tiles_k + k / kGradCols) * kTile +
                  (m % kGradRows * kGradCols + k % kGradCols) * 8);
        const int t = (k0 + k) / map.in_channels, c = (k0 + k) % map.in_channels;
        gradient[group * map.w_group + (row0 + m) * map.w_out + c * map.w_in + map.tap_offsets[t]] +=
            factor * s;
      }
  }
};

}  // namespace

void add_weight_gradient(Env& env, const LinearMap& map, Grid grid, const float* x, const float* d,
                         float factor, float* gradient) {
  if (grid.lanes == 1) {
    PositionLanes{env, map, grid, x, d}.add(factor, gradient);
  } else {
    SampleLanes{env, map, grid, x, d}.add(factor, gradient);
  }
}

}  // namespace px
