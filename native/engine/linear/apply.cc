#include "apply.h"

#include "panel.h"

namespace px {
namespace {

constexpr int kPointTile = 8;  // points that share one block of packed weights in L1
constexpr size_t kTaskFlops = size_t{1}
                              << 21;  // work a task should have, so that scheduling it costs nothing

// One call's plan of work. Tasks: blocks of samples x chunks of groups x rows (or panels) x chunks of channel blocks.
struct Apply {
  Env& env;
  const LinearMap& map;
  const WeightSource& w;
  Grid grid;
  const float* x;
  float* y;
  const float* bias;
  float scale;
  SharedMax* max;

  int width;             // channels per packed block: kConvBlock, or 1 where groups have a single channel
  int blocks_per_group;  // channel blocks
  size_t packed_block;   // floats
  void (*conv)(const ConvArgs*);

  Apply(Env& e, const LinearMap& m, const WeightSource& ws, Grid g, const float* in, float* out,
        const float* b, float s, SharedMax* top)
      : env(e), map(m), w(ws), grid(g), x(in), y(out), bias(b), scale(s), max(top) {
    width = map.out_channels == 1 ? 1 : kConvBlock;
    blocks_per_group = (map.out_channels + width - 1) / width;
    packed_block = static_cast<size_t>(map.taps) * map.in_channels * width;
    const Kernels& k = env.kernels;
    const bool wide = grid.lanes != 8;
    conv = width == 1 ? (wide ? k.conv16_single : k.conv8_single) : (wide ? k.conv16 : k.conv8);
  }

  size_t rows() const { return grid.lanes == 1 ? (map.positions + kPanel - 1) / kPanel : map.rows(); }
  size_t row_points() const { return grid.lanes == 1 ? 1 : map.width(); }
  int rows_of(int block) const { return std::min(width, map.out_channels - block * width); }

  void run() {
    const size_t all_blocks = static_cast<size_t>(map.groups) * blocks_per_group;
    const size_t uses = grid.blocks * rows() * row_points();
    if (uses <= 16) return stream(all_blocks);
    const Buffer packed = env.pool.acquire(all_blocks * packed_block);
    for_ranges(env.threads, all_blocks, std::max<size_t>(1, kGrainFloats / packed_block),
               [&](size_t lo, size_t hi, size_t) {
                 for (size_t b = lo; b < hi; ++b) pack(b, packed.get() + b * packed_block);
               });
    // A task takes one row of one sample block, and as many channel blocks as make it worth while (all of them, mostly: the gathered
    // taps serve each). Few rows: fewer blocks a task, so that every thread has work.
    const size_t block_flops = packed_block * row_points() * 16;
    size_t chunk = std::max<size_t>(1, kTaskFlops / block_flops);
    const size_t outer = grid.blocks * rows();
    chunk = std::max(chunk, (all_blocks * outer + 4095) / 4096);
    chunk = std::min(chunk, all_blocks);
    const size_t chunks = (all_blocks + chunk - 1) / chunk;
    env.threads.run(outer * chunks, [&](size_t t) {
      const size_t first = t % chunks * chunk;
      const size_t row = t / chunks % rows();
      const size_t sample_block = t / chunks / rows();
      Scratch scratch;
      prepare(scratch, row);
      visit(scratch, sample_block, first, std::min(all_blocks, first + chunk), packed.get(), true);
    });
  }

  // Few points per weight (dense layers): each task packs its own channel blocks and forgets them.
  void stream(size_t all_blocks) {
    const size_t chunk = std::max<size_t>(1, kTaskFlops / (packed_block * 16));
    for_ranges(env.threads, all_blocks, chunk, [&](size_t lo, size_t hi, size_t) {
      std::vector<float> packed(packed_block);
      Scratch scratch;
      for (size_t b = lo; b < hi; ++b) {
        pack(b, packed.data());
        for (size_t s = 0; s < static_cast<size_t>(grid.blocks); ++s)
          for (size_t r = 0; r < rows(); ++r) {
            if (b == lo || grid.blocks * rows() > 1) prepare(scratch, r);
            visit(scratch, s, b, b + 1, packed.data(), false);
          }
      }
    });
  }

  void pack(size_t b, float* out) const {
    const int block = static_cast<int>(b % blocks_per_group);
    pack_block(map, w, static_cast<int>(b / blocks_per_group), block * width, width, out);
  }

  struct Scratch {
    std::vector<Tap> taps;
    std::vector<ConvPoint> points;
    Panel panel;
    std::vector<float> columns, out;
    int columns_group = -1;
  };

  // The row's taps and points (lanes are samples), or the panel's positions (lanes are positions).
  void prepare(Scratch& s, size_t row) const {
    s.taps.clear();
    s.points.clear();
    s.columns_group = -1;
    if (grid.lanes == 1) {
      s.panel = Panel(map, row * kPanel, kPanel);
      for (int t = 0; t < map.taps; ++t)
        s.taps.push_back({static_cast<ptrdiff_t>(t) * map.in_channels * kPanel,
                          static_cast<ptrdiff_t>(t) * map.in_channels * width});
      s.points.push_back({0, map.taps, 0});
      s.columns.resize(static_cast<size_t>(map.taps) * map.in_channels * kPanel);
      s.out.resize(static_cast<size_t>(width) * kPanel);
      return;
    }
    gather_points(s, row);
  }

  void gather_points(Scratch& s, size_t row) const {
    const size_t n = map.axes.size();
    // Taps of the leading axes at this row: (input offset, flattened tap), in ascending tap order.
    std::vector<std::pair<size_t, int>> lead{{0, 0}}, next;
    size_t out_offset = 0, rest = row;
    std::vector<int> index(n, 0);
    for (size_t a = n - 1; a-- > 0;) {
      index[a] = static_cast<int>(rest % map.axes[a].out_size);
      rest /= map.axes[a].out_size;
    }
    for (size_t a = 0; a + 1 < n; ++a) {
      const LinearAxis& axis = map.axes[a];
      out_offset += index[a] * axis.out_stride;
      next.clear();
      for (const auto& l : lead)
        for (int k = 0; k < axis.taps; ++k) {
          const int i = axis.source[static_cast<size_t>(index[a]) * axis.taps + k];
          if (i >= 0) next.push_back({l.first + i * axis.in_stride, l.second * axis.taps + k});
        }
      lead.swap(next);
    }
    const LinearAxis& last = map.axes.back();
    const ptrdiff_t lanes = grid.lanes, step = static_cast<ptrdiff_t>(map.in_channels) * width;
    for (int o = 0; o < last.out_size; ++o) {
      ConvPoint p{static_cast<int32_t>(s.taps.size()), 0,
                  static_cast<ptrdiff_t>(out_offset + o * last.out_stride) * lanes};
      for (const auto& l : lead)
        for (int k = 0; k < last.taps; ++k) {
          const int i = last.source[static_cast<size_t>(o) * last.taps + k];
          if (i >= 0)
            s.taps.push_back({static_cast<ptrdiff_t>(l.first + i * last.in_stride) * lanes,
                              (l.second * last.taps + k) * step});
        }
      p.count = static_cast<int32_t>(s.taps.size()) - p.first;
      s.points.push_back(p);
    }
  }

  // Channel blocks [first, end) at one row of one sample block. Packed weights start at block 0 (whole) or at `first`.
  void visit(Scratch& s, size_t sample_block, size_t first, size_t end, const float* packed,
             bool whole) const {
    float top = 0.0f;
    ConvArgs a{};
    a.channels = map.in_channels;
    a.taps = s.taps.data();
    a.scale = scale;
    a.max = max ? &top : nullptr;
    const bool gathered = grid.lanes == 1;
    const size_t points = s.points.size();
    const float* in = x + sample_block * map.in_elements * grid.lanes;
    float* out = y + sample_block * map.out_elements * grid.lanes;
    for (size_t tile = 0; tile < points; tile += kPointTile) {
      a.points = s.points.data() + tile;
      a.point_count = static_cast<int>(std::min<size_t>(kPointTile, points - tile));
      for (size_t b = first; b < end; ++b) {
        const int group = static_cast<int>(b / blocks_per_group),
                  block = static_cast<int>(b % blocks_per_group);
        const size_t channel =
            static_cast<size_t>(group) * map.out_channels + static_cast<size_t>(block) * width;
        a.w = packed + (whole ? b : b - first) * packed_block;
        a.rows = rows_of(block);
        a.bias = bias ? bias + channel : nullptr;
        const float* group_in =
            in + static_cast<size_t>(group) * map.in_channels * map.in_channel_stride * grid.lanes;
        if (gathered) {
          if (s.columns_group != group) {
            s.panel.gather(map, group_in, 0, map.in_channels * map.taps, s.columns.data());
            s.columns_group = group;
          }
          a.x = s.columns.data();
          a.x_channel = kPanel;
          a.y = s.out.data();
          a.y_channel = kPanel;
          conv(&a);
          s.panel.scatter(map, s.out.data(), a.rows, out + channel * map.out_channel_stride);
        } else {
          a.x = group_in;
          a.x_channel = static_cast<ptrdiff_t>(map.in_channel_stride) * grid.lanes;
          a.y = out + channel * map.out_channel_stride * grid.lanes;
          a.y_channel = static_cast<ptrdiff_t>(map.out_channel_stride) * grid.lanes;
          conv(&a);
        }
      }
    }
    if (max) max->add(top);
  }
};

}  // namespace

void pack_block(const LinearMap& map, const WeightSource& w, int group, int first_row, int block_width,
                float* out) {
  const int rows = std::min(block_width, map.out_channels - first_row);
  const size_t base = group * map.w_group + first_row * map.w_out;
  for (int t = 0; t < map.taps; ++t)
    for (int c = 0; c < map.in_channels; ++c) {
      const size_t at = base + map.tap_offsets[t] + c * map.w_in;
      for (int m = 0; m < block_width; ++m) *out++ = m < rows ? w.at(at + m * map.w_out) : 0.0f;
    }
}

void apply_linear(Env& env, const LinearMap& map, const WeightSource& w, Grid grid, const float* x, float* y,
                  const float* bias, float scale, float* max) {
  SharedMax top;
  Apply(env, map, w, grid, x, y, bias, scale, max ? &top : nullptr).run();
  if (max) *max = top.get();
}

}  // namespace px
