#include "grad.h"

#include "direct.h"
#include "grad_single.h"
#include "grad_units.h"
#include "tasks.h"

namespace px {
namespace {

constexpr size_t kUnitWeights = size_t{1} << 16;  // weights (dense) a unit covers: their sums stay in L2
constexpr size_t kWindowFloats = 32 * 1024;       // of gathered input: it stays in L2
constexpr size_t kMostFloats = size_t{1} << 20;   // of gathered input, in any case
constexpr double kEntries = 64;                   // entries an output channel should have in a gathered chunk
constexpr double kFewSurvive = 0.25;  // up to here, a single sample's sums are made for survivors alone
constexpr size_t kMinTasks = 32;
constexpr size_t kMinPoints = 32,
                 kMostPoints = 256;  // vectors a band should have, for sums to be worth their last addition
constexpr size_t kFewTasks = 8;      // as long as there are as many bands

// One phase. A unit is a block of output by input channels of one group; it is computed in parts, each over a range of bands, whose
// sums are added in order.
class GradientRun {
 public:
  GradientRun(Env& env, const LinearMap& map, const Phase& phase, const GradientCall& call)
      : env_(env), map_(map), phase_(phase), call_(call), lanes_(env.kernels.lanes) {
    const size_t taps = phase.taps();
    cols_ = static_cast<int>(
        std::clamp<size_t>(kUnitWeights / (taps * std::min(map.out_channels, 256)), 1, map.in_channels));
    rows_ = static_cast<int>(std::clamp<size_t>(kUnitWeights / (taps * cols_), 1, map.out_channels));
    row_units_ = (map.out_channels + rows_ - 1) / rows_;
    col_units_ = (map.in_channels + cols_ - 1) / cols_;
    tiling_ = bands();
    chunk_ = chunk();
    const size_t units = unit_count(), all = tiling_.band_count(phase);
    lists_ = call.weight.density >= env.kernels.unsorted ? std::size(kWhole) : std::size(kSorted);
    parts_ = units >= kMinTasks ? 1 : std::min(all, (kMinTasks + units - 1) / units);
  }

  void run();

 private:
  class Task;

  // What a list of places is for: `channels` neighbouring output channels of a quad.
  struct Part {
    int first, channels;
  };
  // Where most weights survive, the places where any of a quad's channels has one; else what both of a pair have, and what each alone.
  static constexpr Part kWhole[] = {{0, kQuad}};
  static constexpr Part kSorted[] = {{0, 2}, {0, 1}, {1, 1}, {2, 2}, {2, 1}, {3, 1}};

  // Surviving weights of a unit by [chunk of input channels][quad of output channels][part], in a task's borrowed memory.
  struct Entries {
    BorrowedScratch scratch;
    std::vector<size_t> start;   // of each list, and the end
    std::vector<size_t> sums;    // likewise, of its sums: one a channel of the part, place by place
    int32_t* off = nullptr;      // in the window
    ptrdiff_t* place = nullptr;  // of the first channel's weight in the parameter
    uint8_t* set = nullptr;      // the channels of the part that have one
    float* sum = nullptr;
  };

  size_t unit_count() const { return static_cast<size_t>(map_.groups) * row_units_ * col_units_; }

  Tiling bands() const {
    Tiling t{};
    const bool positions = call_.grid.lanes == 1;
    t.unit = positions ? 1 : call_.grid.lanes;
    const int cols = phase_.col->count;
    t.vectors = row_vectors(phase_, call_.grid, lanes_);
    const size_t all = phase_.positions() / cols * t.vectors * call_.grid.blocks;
    const int points = static_cast<int>(std::clamp(all * unit_count() / kFewTasks, kMinPoints, kMostPoints));
    t.slots = 1;
    t.rows = std::clamp((points + t.vectors - 1) / t.vectors, 1, phase_.row->count);
    if (phase_.outer_out.size() == 1 && t.rows * t.vectors < points)
      t.slots = std::min(call_.grid.blocks, (points + t.rows * t.vectors - 1) / (t.rows * t.vectors));
    t.slot_sets = (call_.grid.blocks + t.slots - 1) / t.slots;
    t.bands = (phase_.row->count + t.rows - 1) / t.rows;
    return t;
  }

  // Input channels gathered at a time: as many as half of L1 holds, more where few weights survive.
  int chunk() const {
    const Window w = window();
    const double entries = static_cast<double>(phase_.taps()) * std::max(call_.weight.density, 1e-6);
    const double wanted = std::max(static_cast<double>(kWindowFloats / w.band()), kEntries / entries);
    const double most = static_cast<double>(kMostFloats / w.band());
    return static_cast<int>(std::clamp(std::min(wanted, most), 1.0, static_cast<double>(cols_)));
  }

  Window window() const {
    return Window(map_, phase_, tiling_.rows, phase_.col->count, tiling_.slots, tiling_.unit,
                  reads_in_place(map_, phase_, call_.grid));
  }

  // Sums over the parts, in order; then into the gradient.
  void store(size_t unit, const Entries* parts) const {
    const size_t group = unit / (static_cast<size_t>(row_units_) * col_units_);
    const int first = static_cast<int>(unit / col_units_ % row_units_) * rows_;
    const int rows = std::min(rows_, map_.out_channels - first), quads = (rows + kQuad - 1) / kQuad;
    const Entries& e = parts[0];
    for (size_t l = 0; l + 1 < e.start.size(); ++l) {
      const size_t quad = l / lists_ % quads;
      const auto [row, channels] = part(l % lists_, rows, static_cast<int>(quad) * kQuad);
      for (int m = 0; m < channels; ++m) {
        const double factor = channel_factor(call_, group * map_.out_channels + first + row + m);
        float* const gradient = call_.gradient + m * map_.w_out;
        for (size_t i = e.start[l]; i < e.start[l + 1]; ++i) {
          if (!(e.set[i] >> m & 1)) continue;
          double s = 0.0;
          for (size_t p = 0; p < parts_; ++p) s += parts[p].sum[e.sums[l] + (i - e.start[l]) * channels + m];
          gradient[e.place[i]] += static_cast<float>(factor * s);
        }
      }
    }
  }

  // A part of the quad at `row`, of a unit with so many rows.
  Part part(size_t list, int rows, int row) const {
    const Part& p = lists_ == 1 ? kWhole[0] : kSorted[list];
    return {row + p.first, std::min(p.channels, rows - row - p.first)};
  }

  Env& env_;
  const LinearMap& map_;
  const Phase& phase_;
  const GradientCall& call_;
  const int lanes_;
  int rows_, cols_, row_units_, col_units_, chunk_;
  Tiling tiling_;
  size_t parts_;
  size_t lists_;  // a quad
};

class GradientRun::Task {
 public:
  Task(const GradientRun& run, size_t unit, size_t part)
      : run_(run),
        part_(part),
        window_(run.window()),
        entries_(window_.entries(run.chunk_)),
        spans_(run.map_, window_.weights(), false) {
    lists_.scratch = BorrowedScratch(run.env_.scratch);
    const LinearMap& map = run.map_;
    group_ = static_cast<int>(unit / (static_cast<size_t>(run.row_units_) * run.col_units_));
    row0_ = static_cast<int>(unit / run.col_units_ % run.row_units_) * run.rows_;
    col0_ = static_cast<int>(unit % run.col_units_) * run.cols_;
    rows_ = std::min(run.rows_, map.out_channels - row0_);
    cols_ = std::min(run.cols_, map.in_channels - col0_);
  }

  Entries run() {
    const int chunks = (cols_ + run_.chunk_ - 1) / run_.chunk_;
    const size_t most = static_cast<size_t>(rows_) * cols_ * window_.taps().size();
    const BorrowedScratch& scratch = lists_.scratch;
    lists_.off = room(scratch->offsets, most + 1);
    lists_.place = room(scratch->place, most + 1);
    lists_.set = room(scratch->sets, most + 1);
    lists_.start.push_back(0);
    lists_.sums.push_back(0);
    for (int q = 0; q < chunks; ++q)
      for (int m = 0; m < rows_; m += kQuad) list(m, q * run_.chunk_, std::min(cols_, (q + 1) * run_.chunk_));
    lists_.sum = room(scratch->weights, lists_.sums.back());
    std::fill_n(lists_.sum, lists_.sums.back(), 0.0f);
    if (!window_.in_place()) room_ = room(scratch->input, run_.chunk_ * window_.channel() + run_.lanes_);
    const size_t bands = run_.tiling_.band_count(run_.phase_);
    for (size_t b = bands * part_ / run_.parts_; b < bands * (part_ + 1) / run_.parts_; ++b) {
      const Band band(run_.tiling_, run_.phase_, run_.call_.grid, b);
      lay_out(band);
      for (int q = 0; q < chunks; ++q) visit(band, q);
      run_.env_.threads.check_abort();
    }
    return std::move(lists_);
  }

 private:
  void list(int m, int from, int to) {
    const LinearMap& map = run_.map_;
    const uint8_t* mask = run_.call_.weight.mask;
    const size_t row = group_ * map.w_group + (row0_ + m) * map.w_out;
    const int channels = std::min(kQuad, rows_ - m);
    spans_.each(row, col0_ + from, col0_ + to, [&](size_t first, size_t entry, size_t count, int) {
      uint64_t bits[kQuad] = {};
      for (int k = 0; k < channels; ++k) bits[k] = mask_span(mask, first + k * map.w_out, count);
      const auto add = [&](size_t list, int channel, uint64_t which, auto set) {
        for_bits(which, [&](size_t t) {
          found_[list].push_back({entries_[entry + t], static_cast<uint8_t>(set(t)),
                                  static_cast<ptrdiff_t>(first + channel * map.w_out + t)});
        });
      };
      if (run_.lists_ == 1)
        return add(0, 0, bits[0] | bits[1] | bits[2] | bits[3], [&](size_t t) { return set_at(bits, t); });
      for (int pair = 0; pair < 2; ++pair) {
        const uint64_t a = bits[2 * pair], b = bits[2 * pair + 1];
        add(3 * pair, 2 * pair, a & b, [](size_t) { return 3; });
        add(3 * pair + 1, 2 * pair, a & ~b, [](size_t) { return 1; });
        add(3 * pair + 2, 2 * pair + 1, b & ~a, [](size_t) { return 1; });
      }
    });
    for (size_t l = 0; l < run_.lists_; ++l) {
      size_t n = lists_.start.back();
      for (const Found& f : found_[l]) {
        lists_.off[n] = f.off;
        lists_.place[n] = f.place;
        lists_.set[n++] = f.set;
      }
      const size_t part_channels = found_[l].empty() ? 0 : run_.part(l, rows_, m).channels;
      lists_.sums.push_back(lists_.sums.back() + found_[l].size() * part_channels);
      lists_.start.push_back(n);
      found_[l].clear();
    }
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
      if (t.unit == 1)
        runs_.push_back({ptrdiff_t{s} * vectors_ * run_.lanes_, window_.point(s, 0, 0), vectors_});
      for (int r = 0; r < band.rows; ++r) {
        outs_.push_back((band.block + s) * run_.map_.out_elements +
                        phase.out_offset(band.outer, band.row + r, 0));
        if (t.unit != 1)
          runs_.push_back({static_cast<ptrdiff_t>(outs_.back() * t.unit), window_.point(s, r, 0), t.vectors});
      }
    }
  }

  void visit(const Band& band, int q) {
    const LinearMap& map = run_.map_;
    const int from = q * run_.chunk_, to = std::min(cols_, from + run_.chunk_);
    const bool positions = run_.tiling_.unit == 1;
    const size_t lanes = run_.call_.grid.lanes,
                 channel = static_cast<size_t>(group_) * map.in_channels + col0_ + from;
    const auto block = [&](int n) { return run_.call_.x + (band.block + n) * map.in_elements * lanes; };
    for (int n = 0; n < band.slots && !window_.in_place(); ++n)
      window_.gather(block(n), channel, to - from, band.outer, band.row, n, room_);
    // The last vector may read beyond the end: its upstream there is 0.
    if (positions) std::fill_n(room_ + (to - from) * window_.channel(), run_.lanes_, 0.0f);
    GradArgs a{};
    a.x = window_.in_place() ? window_.at(block(0), channel, band.row) : room_;
    a.runs = runs_.data();
    a.run_count = static_cast<int>(runs_.size());
    a.x_step = positions ? run_.lanes_ : static_cast<ptrdiff_t>(window_.position());
    a.d_step = positions ? run_.lanes_
                         : static_cast<ptrdiff_t>(run_.phase_.col->step * run_.phase_.col_axis->out_stride) *
                               run_.lanes_;
    const size_t before = q * ((rows_ + kQuad - 1) / kQuad) * run_.lists_;
    const size_t *start = lists_.start.data() + before, *sums = lists_.sums.data() + before;
    for (int quad = 0; quad < rows_; quad += kQuad, start += run_.lists_, sums += run_.lists_) {
      if (start[0] == start[run_.lists_]) continue;
      a.channels = std::min(kQuad, rows_ - quad);
      const float* d = run_.call_.d + (group_ * map.out_channels + row0_ + quad) * map.out_channel_stride *
                                          run_.tiling_.unit;
      a.d_channel = static_cast<ptrdiff_t>(map.out_channel_stride * run_.tiling_.unit);
      if (positions) d = gather_out(d, a);
      for (size_t l = 0; l < run_.lists_; ++l) {
        if (start[l] == start[l + 1]) continue;
        const auto [row, channels] = run_.part(l, rows_, quad);
        a.channels = channels;
        a.d = d + (row - quad) * a.d_channel;
        a.off = lists_.off + start[l];
        a.entries = static_cast<uint32_t>(start[l + 1] - start[l]);
        a.sum = lists_.sum + sums[l];
        run_.env_.kernels.grad(&a);
      }
    }
  }

  // Upstreams of the band's positions side by side, as the window has its inputs.
  const float* gather_out(const float* quad, GradArgs& a) {
    const size_t step = run_.phase_.col->step * run_.phase_.col_axis->out_stride;
    const size_t padded = static_cast<size_t>(vectors_) * run_.lanes_, rows = outs_.size() / runs_.size();
    const size_t channel = runs_.size() * padded;
    float* const upstream = room(lists_.scratch->output, kQuad * channel);
    std::fill_n(upstream, a.channels * channel, 0.0f);
    for (int m = 0; m < a.channels; ++m)
      for (size_t i = 0; i < outs_.size(); ++i) {
        const float* const d = quad + m * a.d_channel + outs_[i];
        float* const out = upstream + m * channel + i / rows * padded + i % rows * window_.row();
        for (int c = 0; c < run_.phase_.col->count; ++c) out[c] = d[c * step];
      }
    a.d_channel = static_cast<ptrdiff_t>(channel);
    return upstream;
  }

  const GradientRun& run_;
  const size_t part_;
  const Window window_;
  const std::vector<int32_t> entries_;
  const WeightSpans spans_;
  struct Found {
    int32_t off;
    uint8_t set;
    ptrdiff_t place;
  };
  std::vector<Found> found_[std::size(kSorted)];
  int group_, row0_, col0_, rows_, cols_;
  Entries lists_;
  std::vector<GradRun> runs_;
  std::vector<size_t> outs_;  // per row, its first output's offset in elements
  int vectors_ = 0;           // of a sample block, where they run along positions
  float* room_ = nullptr;     // borrowed: for what is gathered
};

void GradientRun::run() {
  run_units(
      env_, unit_count(), parts_, [&](size_t unit, size_t part) { return Task(*this, unit, part).run(); },
      [&](size_t unit, const Entries* parts) { store(unit, parts); });
}

}  // namespace

void add_weight_gradient(Env& env, const LinearMap& map, const GradientCall& call) {
  if (suits_direct(map, call.grid)) return add_direct_gradient(env, map, call);
  if (suits_single(map, call.grid) && call.weight.density > kFewSurvive)
    return add_single_gradient(env, map, call);
  for (const Phase& phase : phases_of(map))
    if (phase.taps() > 0) GradientRun(env, map, phase, call).run();
}

}  // namespace px
