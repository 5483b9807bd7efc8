#include "grad.h"

#include <cmath>

#include "direct.h"
#include "grad_single.h"
#include "grad_units.h"
#include "tasks.h"

namespace px {
namespace {

constexpr size_t kUnitWeights = size_t{1} << 14;  // weights (dense) a unit covers
constexpr size_t kMostFloats = size_t{1} << 20;   // of gathered input, in any case
constexpr double kFewSurvive = 0.14;  // up to here, a single sample's sums are made for survivors alone
constexpr size_t kMinTasks = 32;

// How work is cut. From some density on, output channels share their lists, as most places are wanted by most of them. A band should have
// vectors enough to outweigh adding up their lanes, a list places enough to outweigh the kernel's last few; but together they should fit a
// near cache. Places of a kernel with several taps share their input with others; those of a 1x1 kernel do not, and L1 matters most.
struct Cut {
  bool shared;
  size_t points;  // vectors a band has
  double places;  // a list has, at least
};
Cut cut(size_t taps, double density) {
  if (taps > 1) return {density >= 0.5, 112, 64};
  const bool many = density >= 0.3;
  return {many, many ? size_t{28} : size_t{112}, 16};
}
constexpr size_t kWindowFloats = 8 * 1024;  // of a chunk's input, where that makes for more places

// One phase. A unit is a block of output by input channels of one group; it is computed in parts, each over a range of bands, whose
// sums are added in order.
class GradientRun {
 public:
  GradientRun(Env& env, const LinearMap& map, const Phase& phase, const GradientCall& call)
      : env_(env),
        map_(map),
        phase_(phase),
        call_(call),
        lanes_(env.kernels.lanes),
        cut_(cut(phase.taps(), call.weight.density)),
        together_(cut_.shared ? env.kernels.grad_channels : 1) {
    const size_t taps = phase.taps();
    // What a unit reads is gathered once; of positions, so are each row's upstreams, and a unit should have few.
    const int most_rows = std::min(map.out_channels, call.grid.lanes == 1 ? 48 : 256);
    cols_ = static_cast<int>(std::clamp<size_t>(kUnitWeights / (taps * most_rows), 1, map.in_channels));
    rows_ = static_cast<int>(std::clamp<size_t>(kUnitWeights / (taps * cols_), 1, map.out_channels));
    row_units_ = (map.out_channels + rows_ - 1) / rows_;
    col_units_ = (map.in_channels + cols_ - 1) / cols_;
    tiling_ = bands();
    chunk_ = chunk();
    const size_t units = unit_count(), all = tiling_.band_count(phase);
    parts_ = units >= kMinTasks ? 1 : std::min(all, (kMinTasks + units - 1) / units);
  }

  void run();

 private:
  class Unit;
  struct Lists;
  using Sums = std::vector<float>;

  size_t unit_count() const { return static_cast<size_t>(map_.groups) * row_units_ * col_units_; }

  Tiling bands() const {
    Tiling t{};
    const bool positions = call_.grid.lanes == 1;
    t.unit = positions ? 1 : call_.grid.lanes;
    t.vectors = row_vectors(phase_, call_.grid, lanes_);
    const int rows = phase_.row->count, points = static_cast<int>(cut_.points);
    t.rows = std::clamp((points + t.vectors - 1) / t.vectors, 1, rows);
    t.slots = 1;
    if (phase_.outer_out.size() == 1 && t.rows * t.vectors < points)
      t.slots = std::min(call_.grid.blocks, (points + t.rows * t.vectors - 1) / (t.rows * t.vectors));
    t.slot_sets = (call_.grid.blocks + t.slots - 1) / t.slots;
    t.bands = (rows + t.rows - 1) / t.rows;
    t.rows = (rows + t.bands - 1) / t.bands;
    return t;
  }

  // Input channels at a time, in chunks of about the same size: as many as L1 holds, or more where lists would be short.
  int chunk() const {
    const double band = static_cast<double>(window().band());
    const double some =
        1.0 - std::pow(1.0 - call_.weight.density, together_);  // channels have a weight at a place
    const double places = static_cast<double>(phase_.taps()) * std::max(some, 1e-6);  // of a channel
    const double wanted = std::max(kWindowFloats / band, cut_.places / places);
    const int most =
        static_cast<int>(std::clamp(std::min(wanted, kMostFloats / band), 1.0, static_cast<double>(cols_)));
    const int chunks = (cols_ + most - 1) / most;
    return (cols_ + chunks - 1) / chunks;
  }

  Window window() const {
    return Window(map_, phase_, tiling_.rows, phase_.col->count, tiling_.slots, tiling_.unit,
                  reads_in_place(map_, phase_, call_.grid));
  }

  void store(const Lists& lists, const Sums* parts) const;
  void clear(const Lists& unit) const;

  Env& env_;
  const LinearMap& map_;
  const Phase& phase_;
  const GradientCall& call_;
  const int lanes_;
  const Cut cut_;
  const int together_;  // output channels that share a list
  int rows_, cols_, row_units_, col_units_, chunk_;
  Tiling tiling_;
  size_t parts_;
};

// Places where some of `together` neighbouring output channels have a weight: of a unit, by [chunk of input channels][row].
struct GradientRun::Lists {
  BorrowedScratch scratch;
  size_t group;
  int row, rows, col, cols;   // the unit's
  std::vector<size_t> start;  // of each list, and the end
  std::vector<size_t> sums;   // likewise, of its sums: one a channel, place by place
  int32_t* off;               // in the window
  ptrdiff_t* place;           // of the first channel's weight in the parameter
  uint8_t* set;               // the channels that have one

  int chunks, channels;  // channels: of a list, the last may have fewer
  int list_rows() const { return (rows + channels - 1) / channels; }
  int list_channels(int r) const { return std::min(channels, rows - r * channels); }
};

class GradientRun::Unit {
 public:
  explicit Unit(const GradientRun& run)
      : run_(run),
        window_(run.window()),
        entries_(window_.entries(run.chunk_)),
        spans_(run.map_, window_.weights(), false) {}

  Lists list(size_t unit) const {
    Lists l;
    l.scratch = BorrowedScratch(run_.env_.scratch);
    const LinearMap& map = run_.map_;
    l.group = unit / (static_cast<size_t>(run_.row_units_) * run_.col_units_);
    l.row = static_cast<int>(unit / run_.col_units_ % run_.row_units_) * run_.rows_;
    l.col = static_cast<int>(unit % run_.col_units_) * run_.cols_;
    l.rows = std::min(run_.rows_, map.out_channels - l.row);
    l.cols = std::min(run_.cols_, map.in_channels - l.col);
    l.channels = run_.together_;
    l.chunks = (l.cols + run_.chunk_ - 1) / run_.chunk_;
    const size_t most = static_cast<size_t>(l.list_rows()) * l.cols * window_.taps().size();
    l.off = room(l.scratch->offsets, most);
    l.place = room(l.scratch->place, most);
    l.set = room(l.scratch->sets, most);
    l.start.push_back(0);
    l.sums.push_back(0);
    for (int q = 0; q < l.chunks; ++q)
      for (int r = 0; r < l.list_rows(); ++r)
        add_list(l, r, q * run_.chunk_, std::min(l.cols, (q + 1) * run_.chunk_));
    return l;
  }

  Sums sums(const Lists& lists, size_t part) {
    Sums sums(lists.sums.back(), 0.0f);
    const size_t bands = run_.tiling_.band_count(run_.phase_);
    for (size_t b = bands * part / run_.parts_; b < bands * (part + 1) / run_.parts_; ++b) {
      const Band band(run_.tiling_, run_.phase_, run_.call_.grid, b);
      lay_out(band);
      for (int q = 0; q < lists.chunks; ++q) visit(band, lists, q, sums.data());
      run_.env_.threads.check_abort();
    }
    return sums;
  }

 private:
  void add_list(Lists& l, int r, int from, int to) const {
    const LinearMap& map = run_.map_;
    const uint8_t* mask = run_.call_.weight.mask;
    const int channels = l.list_channels(r);
    const size_t row = l.group * map.w_group + (l.row + r * l.channels) * map.w_out;
    size_t n = l.start.back();
    spans_.each(row, l.col + from, l.col + to, [&](size_t first, size_t entry, size_t count, int) {
      uint64_t bits[kQuad] = {};
      for (int k = 0; k < channels; ++k) bits[k] = mask_span(mask, first + k * map.w_out, count);
      for_bits(bits[0] | bits[1] | bits[2] | bits[3], [&](size_t t) {
        l.off[n] = entries_[entry + t];
        l.place[n] = static_cast<ptrdiff_t>(first + t);
        l.set[n++] = static_cast<uint8_t>(set_at(bits, t));
      });
    });
    l.sums.push_back(l.sums.back() + (n - l.start.back()) * channels);
    l.start.push_back(n);
  }

  ptrdiff_t x_step() const { return positions() ? run_.lanes_ : static_cast<ptrdiff_t>(window_.position()); }
  ptrdiff_t d_step() const {
    return positions() ? run_.lanes_
                       : static_cast<ptrdiff_t>(run_.phase_.col->step * run_.phase_.col_axis->out_stride) *
                             run_.lanes_;
  }
  bool positions() const { return run_.tiling_.unit == 1; }

  // One run with the last, where it goes on from there.
  void add_run(GradRun run) {
    if (!runs_.empty()) {
      GradRun& last = runs_.back();
      if (last.d + last.count * d_step() == run.d && last.x + last.count * x_step() == run.x) {
        last.count += run.count;
        return;
      }
    }
    runs_.push_back(run);
  }

  // The band's vectors as runs: in a row of x and of d both advance by a constant. Positions go on from row to row, with zeros in d for
  // what lies between.
  void lay_out(const Band& band) {
    const Tiling& t = run_.tiling_;
    const Phase& phase = run_.phase_;
    runs_.clear();
    outs_.clear();
    const size_t flat = (band.rows - 1) * window_.row() + phase.col->count;
    vectors_ = static_cast<int>((flat + run_.lanes_ - 1) / run_.lanes_);
    for (int s = 0; s < band.slots; ++s) {
      if (positions())
        runs_.push_back({ptrdiff_t{s} * vectors_ * run_.lanes_, window_.point(s, 0, 0), vectors_});
      for (int r = 0; r < band.rows; ++r) {
        outs_.push_back((band.block + s) * run_.map_.out_elements +
                        phase.out_offset(band.outer, band.row + r, 0));
        if (!positions())
          add_run({static_cast<ptrdiff_t>(outs_.back() * t.unit), window_.point(s, r, 0), t.vectors});
      }
    }
  }

  void visit(const Band& band, const Lists& lists, int q, float* sums) {
    const LinearMap& map = run_.map_;
    const int from = q * run_.chunk_, to = std::min(lists.cols, from + run_.chunk_);
    const size_t channel = lists.group * map.in_channels + lists.col + from;
    GradArgs a{};
    a.x = input(band, channel, to - from);
    a.runs = runs_.data();
    a.run_count = static_cast<int>(runs_.size());
    a.x_step = x_step();
    a.d_step = d_step();
    const int rows = lists.list_rows();
    for (int r = 0; r < rows; ++r) {
      const size_t l = static_cast<size_t>(q) * rows + r;
      if (lists.start[l] == lists.start[l + 1]) continue;
      a.channels = lists.list_channels(r);
      const size_t out = lists.group * map.out_channels + lists.row + r * lists.channels;
      a.d = run_.call_.d + out * map.out_channel_stride * run_.tiling_.unit;
      a.d_channel = static_cast<ptrdiff_t>(map.out_channel_stride * run_.tiling_.unit);
      if (positions()) a.d = gather_out(a);
      a.off = lists.off + lists.start[l];
      a.entries = static_cast<uint32_t>(lists.start[l + 1] - lists.start[l]);
      a.sum = sums + lists.sums[l];
      run_.env_.kernels.grad(&a);
    }
  }

  // Where the band's part of so many channels lies, gathered or not.
  const float* input(const Band& band, size_t channel, int count) {
    const LinearMap& map = run_.map_;
    const size_t lanes = run_.call_.grid.lanes;
    const auto block = [&](int n) { return run_.call_.x + (band.block + n) * map.in_elements * lanes; };
    if (window_.in_place()) return window_.at(block(0), channel, band.row);
    float* const x = room(scratch_->input, run_.chunk_ * window_.channel() + run_.lanes_);
    for (int n = 0; n < band.slots; ++n) window_.gather(block(n), channel, count, band.outer, band.row, n, x);
    // The last vector may read beyond the end: its upstream there is 0.
    if (positions()) std::fill_n(x + count * window_.channel(), run_.lanes_, 0.0f);
    return x;
  }

  // Upstreams of the band's positions side by side, as the window has its inputs.
  const float* gather_out(GradArgs& a) {
    const size_t step = run_.phase_.col->step * run_.phase_.col_axis->out_stride;
    const size_t padded = static_cast<size_t>(vectors_) * run_.lanes_, rows = outs_.size() / runs_.size();
    const size_t channel = runs_.size() * padded;
    float* const upstream = room(scratch_->output, kQuad * channel);
    std::fill_n(upstream, a.channels * channel, 0.0f);
    for (int m = 0; m < a.channels; ++m)
      for (size_t i = 0; i < outs_.size(); ++i) {
        const float* const d = a.d + m * a.d_channel + outs_[i];
        float* const out = upstream + m * channel + i / rows * padded + i % rows * window_.row();
        for (int c = 0; c < run_.phase_.col->count; ++c) out[c] = d[c * step];
      }
    a.d_channel = static_cast<ptrdiff_t>(channel);
    return upstream;
  }

  const GradientRun& run_;
  const Window window_;
  const std::vector<int32_t> entries_;
  const WeightSpans spans_;
  BorrowedScratch scratch_{run_.env_.scratch};
  std::vector<GradRun> runs_;
  std::vector<size_t> outs_;  // per row, its first output's offset in elements
  int vectors_ = 0;           // of a sample block, where they run along positions
};

// Sums over the parts, in order; then into the gradient.
void GradientRun::store(const Lists& lists, const Sums* parts) const {
  const int rows = lists.list_rows();
  if (call_.first) clear(lists);
  for (size_t l = 0; l + 1 < lists.start.size(); ++l) {
    const int r = static_cast<int>(l % rows), channels = lists.list_channels(r);
    for (int m = 0; m < channels; ++m) {
      const double factor =
          channel_factor(call_, lists.group * map_.out_channels + lists.row + r * lists.channels + m);
      float* const gradient = call_.gradient + m * map_.w_out;
      size_t sum = lists.sums[l] + m;
      for (size_t i = lists.start[l]; i < lists.start[l + 1]; ++i, sum += channels) {
        if (!(lists.set[i] >> m & 1)) continue;
        double s = 0.0;
        for (size_t p = 0; p < parts_; ++p) s += parts[p][sum];
        gradient[lists.place[i]] += static_cast<float>(factor * s);
      }
    }
  }
}

// The unit's gradients, all taps.
void GradientRun::clear(const Lists& unit) const {
  const size_t base = unit.group * map_.w_group + unit.row * map_.w_out + unit.col * map_.w_in;
  const bool adjoin = map_.w_in == static_cast<size_t>(map_.taps);
  for (int m = 0; m < unit.rows; ++m)
    for (int c = 0; c < (adjoin ? 1 : unit.cols); ++c)
      std::fill_n(call_.gradient + base + m * map_.w_out + c * map_.w_in,
                  map_.taps * (adjoin ? unit.cols : 1), 0.0f);
}

void GradientRun::run() {
  const size_t units = unit_count();
  if (parts_ == 1)
    return env_.threads.run(units, [&](size_t u) {
      Unit unit(*this);
      const Lists lists = unit.list(u);
      const Sums sums = unit.sums(lists, 0);
      store(lists, &sums);
    });
  // Parts share their unit's lists.
  std::vector<Lists> lists(units);
  env_.threads.run(units, [&](size_t u) { lists[u] = Unit(*this).list(u); });
  run_units(
      env_, units, parts_, [&](size_t u, size_t part) { return Unit(*this).sums(lists[u], part); },
      [&](size_t u, const Sums* parts) { store(lists[u], parts); });
}

}  // namespace

void add_weight_gradient(Env& env, const LinearMap& map, const GradientCall& given) {
  if (suits_direct(map, given.grid)) return add_direct_gradient(env, map, given);
  GradientCall call = given;
  const auto phases = phases_of(map);
  // Whoever computes a gradient replaces what is there; unless some taps never reach inside the input, or belong to other phases.
  if (call.first && (phases.size() != 1 || phases[0].taps() != static_cast<size_t>(map.taps))) {
    const size_t weights = static_cast<size_t>(map.groups) * map.out_channels * map.in_channels * map.taps;
    for_ranges(env.threads, weights, kGrainFloats, [&](size_t lo, size_t hi, size_t) {
      std::fill(call.gradient + lo, call.gradient + hi, 0.0f);
    });
    call.first = false;
  }
  if (suits_single(map, call.grid) && call.weight.density > kFewSurvive)
    return add_single_gradient(env, map, call);
  for (const Phase& phase : phases)
    if (phase.taps() > 0) GradientRun(env, map, phase, call).run();
}

}  // namespace px
