#include "grad_single.h"

#include "grad_units.h"

namespace px {
namespace {

constexpr int kRows = 16;         // output channels a unit has
constexpr int kCols = 64;         // input channels a unit has
constexpr size_t kPoints = 256;   // whose products are added up in a register
constexpr size_t kTurned = 4096;  // floats of a task that only moves them
constexpr size_t kMinTasks = 32;
constexpr int kMinChannels = 4;  // of input: with fewer, most of a vector would be wasted

// A tensor as [block][position][channel], behind it one position of zeros and some vectors to read beyond the end. Positions are an odd
// number of cache lines apart, so that a channel's do not fall into the same sets.
class ChannelsLast {
 public:
  ChannelsLast(Env& env, const float* x, int blocks, size_t positions, size_t channels, size_t channel_stride)
      : channels_(channels),
        stride_(((channels + kLine - 1) / kLine | 1) * kLine),
        unit_(channel_stride == positions ? 1 : channels),
        positions_(positions),
        zeros_(static_cast<ptrdiff_t>(blocks * positions * stride_)),
        data_(env.pool.acquire(zeros_ + stride_ + 4 * env.kernels.lanes)) {
    float* const out = data_.get();
    const size_t runs = (positions + kLine - 1) / kLine;
    for_ranges(env.threads, blocks * runs, std::max<size_t>(1, kTurned / (stride_ * kLine)),
               [&](size_t lo, size_t hi, size_t) {
                 for (size_t r = lo; r < hi; ++r) {
                   const size_t first = r / runs * positions, at = r % runs * kLine;
                   turn(x + first * channels + at * unit_, channel_stride, std::min(kLine, positions - at),
                        out + (first + at) * stride_);
                 }
               });
    std::fill_n(out + zeros_, stride_ + 4 * env.kernels.lanes, 0.0f);
  }
  const float* data() const { return data_.get(); }
  // Where the channels of the position at `offset` of a sample begin; offset < 0: padding.
  ptrdiff_t at(int block, ptrdiff_t offset) const {
    if (offset < 0) return zeros_;
    return static_cast<ptrdiff_t>((block * positions_ + offset / unit_) * stride_);
  }

 private:
  static constexpr size_t kLine = 16;

  // n neighbouring positions of all channels.
  void turn(const float* x, size_t channel_stride, size_t n, float* out) const {
    for (size_t i = 0; i < n; ++i) std::fill_n(out + i * stride_ + channels_, stride_ - channels_, 0.0f);
    for (size_t c = 0; c < channels_; ++c)
      for (size_t i = 0; i < n; ++i) out[i * stride_ + c] = x[c * channel_stride + i * unit_];
  }

  const size_t channels_, stride_, unit_, positions_;
  const ptrdiff_t zeros_;
  Buffer data_;
};

size_t in_positions(const LinearMap& map) {
  return map.in_elements / (static_cast<size_t>(map.groups) * map.in_channels);
}

// One phase. A unit is a block of output by input channels of one group, all taps; where units are few, each is computed in parts
// over ranges of points, whose sums are added in order.
class SingleRun {
 public:
  SingleRun(Env& env, const LinearMap& map, const Phase& phase, const GradientCall& call,
            const ChannelsLast& x)
      : env_(env), map_(map), phase_(phase), call_(call), x_(x), taps_(phase.taps()) {
    row_units_ = (map.out_channels + kRows - 1) / kRows;
    col_units_ = (map.in_channels + kCols - 1) / kCols;
    points_ = call.grid.blocks * phase.positions();
    lay_out();
    const size_t units = unit_count();
    parts_ = std::clamp<size_t>((kMinTasks + units - 1) / units, 1, (points_ + kPoints - 1) / kPoints);
  }

  void run() {
    run_units(
        env_, unit_count(), parts_, [&](size_t unit, size_t part) { return compute(unit, part); },
        [&](size_t unit, const std::vector<float>* parts) { store(unit, parts); });
  }

 private:
  struct Unit {
    size_t group;
    int row, rows, col, cols;
    size_t width;  // floats of a row of sums: cols and what fills the last vectors
  };

  size_t unit_count() const { return static_cast<size_t>(map_.groups) * row_units_ * col_units_; }

  Unit unit(size_t index) const {
    Unit u;
    u.group = index / (static_cast<size_t>(row_units_) * col_units_);
    u.row = static_cast<int>(index / col_units_ % row_units_) * kRows;
    u.col = static_cast<int>(index % col_units_) * kCols;
    u.rows = std::min(kRows, map_.out_channels - u.row);
    u.cols = std::min(kCols, map_.in_channels - u.col);
    const size_t lanes = env_.kernels.lanes;
    u.width = (u.cols + lanes - 1) / lanes * lanes;
    return u;
  }

  // Per tap and point where the input's channels begin, per point its place in an output channel; per tap its place in the stored
  // weight.
  void lay_out() {
    const auto& row = *phase_.row;
    const auto& col = *phase_.col;
    const auto &rows = *phase_.row_axis, &cols = *phase_.col_axis;
    from_.assign(taps_ * points_, x_.at(0, -1));
    to_.resize(points_);
    auto from = from_.begin();
    for (const auto& outer : phase_.outer_taps)
      for (const auto& r : row.taps)
        for (const auto& c : col.taps) {
          weights_.push_back(outer.weight + r.k * rows.tap_stride + c.k * cols.tap_stride);
          for (int b = 0; b < call_.grid.blocks; ++b)
            for (const ptrdiff_t source : outer.source)
              for (int i = 0; i < row.count; ++i, from += col.count) {
                const int at = r.base + i * row.in_step;
                if (source < 0 || at < 0 || at >= rows.in_size) continue;
                for (int k = 0, to = c.base; k < col.count; ++k, to += col.in_step)
                  if (to >= 0 && to < cols.in_size)
                    from[k] =
                        x_.at(b, source + static_cast<ptrdiff_t>(at * rows.in_stride + to * cols.in_stride));
              }
        }
    auto to = to_.begin();
    for (int b = 0; b < call_.grid.blocks; ++b)
      for (size_t o = 0; o < phase_.outer_out.size(); ++o)
        for (int i = 0; i < row.count; ++i)
          for (int k = 0; k < col.count; ++k)
            *to++ = static_cast<ptrdiff_t>(b * map_.out_elements + phase_.out_offset(o, i, k));
  }

  // Sums of [row][tap][col] over the part's points.
  std::vector<float> compute(size_t index, size_t part) const {
    const Unit u = unit(index);
    std::vector<float> sums(u.rows * taps_ * u.width, 0.0f);
    const int lanes = env_.kernels.lanes, most = env_.kernels.outer_vectors;
    const int vectors = static_cast<int>(u.width) / lanes;
    const int outs = std::min(kOuterOuts, env_.kernels.outer_sums / std::min(most, vectors));
    OuterArgs a{};
    a.sum_step = static_cast<ptrdiff_t>(taps_ * u.width);
    a.d_step = static_cast<ptrdiff_t>(map_.out_channel_stride);
    const size_t end = points_ * (part + 1) / parts_;
    for (size_t lo = points_ * part / parts_; lo < end; lo += kPoints) {
      a.points = static_cast<int>(std::min(kPoints, end - lo));
      a.dp = to_.data() + lo;
      for (size_t t = 0; t < taps_; ++t) {
        a.xp = from_.data() + t * points_ + lo;
        for (int m = 0; m < u.rows; m += outs) {
          a.outs = std::min(outs, u.rows - m);
          a.d = call_.d + (u.group * map_.out_channels + u.row + m) * map_.out_channel_stride;
          for (int v = 0; v < vectors; v += most) {
            a.vectors = std::min(most, vectors - v);
            a.x = x_.data() + u.group * map_.in_channels + u.col + v * lanes;
            a.sum = sums.data() + (m * taps_ + t) * u.width + v * lanes;
            env_.kernels.outer(&a);
          }
        }
      }
      env_.threads.check_abort();
    }
    return sums;
  }

  // factor times the sums from `first` on.
  void sum_up(const std::vector<float>* parts, size_t first, double factor, std::vector<float>& all) const {
    if (parts_ == 1) {
      env_.kernels.scale(parts[0].data() + first, all.data(), all.size(), static_cast<float>(factor));
      return;
    }
    for (size_t i = 0; i < all.size(); ++i) {
      double s = 0.0;
      for (size_t p = 0; p < parts_; ++p) s += parts[p][first + i];
      all[i] = static_cast<float>(factor * s);
    }
  }

  // Adds up the parts, in order; then into the gradient.
  void store(size_t index, const std::vector<float>* parts) const {
    const Unit u = unit(index);
    const size_t base = u.group * map_.w_group + u.row * map_.w_out;
    const WeightSpans spans(map_, weights_, false);
    std::vector<float> all(taps_ * u.width);  // [tap][col]
    std::vector<float> row(taps_ * u.cols);   // [col][tap], as weights are stored
    for (int m = 0; m < u.rows; ++m) {
      sum_up(parts, m * taps_ * u.width, channel_factor(call_, u.group * map_.out_channels + u.row + m), all);
      for (size_t t = 0; t < taps_; ++t)
        for (int c = 0; c < u.cols; ++c) row[c * taps_ + t] = all[t * u.width + c];
      const auto add = [&](size_t first, size_t entry, size_t n, int) {
        const AddMaskedArgs a{call_.weight.mask, first, n, row.data() + entry, call_.gradient, call_.first};
        env_.kernels.add_masked(&a);
      };
      spans.each(base + m * map_.w_out, u.col, u.col + u.cols, add, row.size());
    }
  }

  Env& env_;
  const LinearMap& map_;
  const Phase& phase_;
  const GradientCall& call_;
  const ChannelsLast& x_;
  const size_t taps_;
  int row_units_, col_units_;
  size_t points_, parts_;
  std::vector<ptrdiff_t> from_, to_;
  std::vector<size_t> weights_;
};

}  // namespace

bool suits_single(const LinearMap& map, Grid grid) {
  const size_t in = in_positions(map);
  return grid.lanes == 1 && map.in_channels >= kMinChannels &&
         (map.in_channel_stride == in || map.in_channel_stride == 1);
}

void add_single_gradient(Env& env, const LinearMap& map, const GradientCall& call) {
  const size_t groups = map.groups;
  const ChannelsLast x(env, call.x, call.grid.blocks, in_positions(map), groups * map.in_channels,
                       map.in_channel_stride);
  for (const Phase& phase : phases_of(map))
    if (phase.taps() > 0) SingleRun(env, map, phase, call, x).run();
}

}  // namespace px
