#include "total.h"

#include "direct.h"
#include "grad_units.h"
#include "tasks.h"

namespace px {
namespace {

constexpr size_t kRows = 256;                     // output channels whose products are added up in float32
constexpr size_t kBandFloats = 32 * 1024;         // of d a band has: they stay in L2
constexpr size_t kWindowFloats = 48 * 1024;       // of gathered input, likewise
constexpr size_t kLaid = 16 * 1024;               // of a task that only lays d
constexpr size_t kTaskVectors = size_t{1} << 16;  // that a task's weights meet
constexpr int kMinChannels = 16;  // of output: with fewer, the tables would cost more than they save

// One phase. A band is some rows of outputs, whose window is gathered a chunk of input channels at a time; d lies like it, with zeros
// between rows.
class TotalRun {
 public:
  TotalRun(Env& env, const LinearMap& map, const Phase& phase, const GradientCall& call)
      : env_(env),
        map_(map),
        phase_(phase),
        call_(call),
        lanes_(env.kernels.lanes),
        row_(Window(map, phase, 1, phase.col->count, 1, 1, false).row()),
        rows_(band_rows()),
        bands_((phase.row->count + rows_ - 1) / rows_),
        vectors_((static_cast<size_t>(rows_) * row_ + lanes_ - 1) / lanes_),
        window_(map, phase, rows_, phase.col->count, 1, 1, false),
        chunk_(chunk()),
        chunks_((map.in_channels + chunk_ - 1) / chunk_),
        entries_(window_.entries(chunk_)) {}

  double run() {
    const size_t bands = phase_.outer_out.size() * bands_ * map_.groups;
    const Buffer d = env_.pool.acquire(bands * map_.out_channels * vectors_ * lanes_);
    const size_t channels = map_.out_channels, floats = vectors_ * lanes_;
    for_ranges(env_.threads, bands * channels, std::max<size_t>(1, kLaid / floats),
               [&](size_t lo, size_t hi, size_t) {
                 for (size_t c = lo; c < hi; ++c) lay(c / channels, c % channels, d.get() + c * floats);
               });
    std::vector<double> sums(bands * chunks_);
    env_.threads.run(sums.size(), [&](size_t t) { sums[t] = compute(t / chunks_, t % chunks_, d.get()); });
    double total = 0.0;
    for (double sum : sums) total += sum;
    return total;
  }

 private:
  struct Place {
    size_t group, outer;
    int row, rows;
  };
  Place place(size_t band) const {
    const int row = static_cast<int>(band % bands_) * rows_;
    return {band / bands_ / phase_.outer_out.size(), band / bands_ % phase_.outer_out.size(), row,
            std::min(rows_, phase_.row->count - row)};
  }
  int band_rows() const {
    const size_t floats = std::min(row_ * map_.out_channels, kBandFloats);
    return static_cast<int>(std::clamp<size_t>(kBandFloats / floats, 1, phase_.row->count));
  }
  int chunk() const {
    const size_t vectors = std::min(phase_.taps() * map_.out_channels * vectors_, kTaskVectors);
    const size_t most = std::min(kTaskVectors / vectors, kWindowFloats / window_.channel());
    return static_cast<int>(std::clamp<size_t>(most, 1, map_.in_channels));
  }

  // A channel of a band of d, by place in the window, times its factor.
  void lay(size_t band, size_t m, float* to) const {
    const Place p = place(band);
    const size_t channel = p.group * map_.out_channels + m;
    const float* const from = call_.d + channel * map_.out_channel_stride;
    const float factor = static_cast<float>(channel_factor(call_, channel));
    std::fill_n(to, vectors_ * lanes_, 0.0f);
    const size_t n = phase_.col->count, step = phase_.col->step * phase_.col_axis->out_stride;
    for (int r = 0; r < p.rows; ++r) {
      const float* const row = from + phase_.out_offset(p.outer, p.row + r, 0);
      for (size_t c = 0; c < n; ++c) to[r * row_ + c] = factor * row[c * step];
    }
  }

  double compute(size_t band, size_t chunk, const float* d) const {
    const Place p = place(band);
    const int from = static_cast<int>(chunk) * chunk_, to = std::min(map_.in_channels, from + chunk_);
    const size_t floats = vectors_ * lanes_, step = window_.channel();
    BorrowedScratch scratch(env_.scratch);
    // The last vector may read what is behind the last channel; nothing of d is there.
    float* const input = room(scratch->input, (to - from) * step + floats + lanes_);
    window_.gather(call_.x, p.group * map_.in_channels + from, to - from, p.outer, p.row, 0, input);
    std::fill_n(input + (to - from) * step, floats + lanes_, 0.0f);
    SubsetArgs a{};
    a.mask = call_.weight.mask;
    a.step = map_.w_out;
    a.d_step = floats;
    const size_t weights = (to - from) * phase_.taps();
    const size_t first = p.group * map_.w_group + from * map_.w_in + window_.weights()[0];
    double total = 0.0;
    for (size_t v = 0; v < vectors_; v += kSubsetVectors) {
      a.vectors = static_cast<int>(std::min<size_t>(kSubsetVectors, vectors_ - v));
      a.x = input + v * lanes_;
      for (size_t e = 0; e < weights; e += kSubsetWeights) {
        a.off = entries_.data() + e;
        a.entries = static_cast<int>(std::min<size_t>(kSubsetWeights, weights - e));
        for (size_t m = 0; m < static_cast<size_t>(map_.out_channels); m += kRows) {
          a.rows = std::min(kRows, map_.out_channels - m);
          a.first = first + e + m * map_.w_out;
          a.d = d + (band * map_.out_channels + m) * floats + v * lanes_;
          total += env_.kernels.subset_total(&a);
        }
      }
      env_.threads.check_abort();
    }
    return total;
  }

  Env& env_;
  const LinearMap& map_;
  const Phase& phase_;
  const GradientCall& call_;
  const size_t lanes_, row_;
  const int rows_, bands_;
  const size_t vectors_;  // of a band's window
  const Window window_;
  const int chunk_, chunks_;
  const std::vector<int32_t> entries_;
};

}  // namespace

bool suits_total(const LinearMap& map, Grid grid) {
  if (grid.lanes != 1 || grid.blocks != 1 || map.out_channels < kMinChannels) return false;
  if (suits_direct(map, grid)) return false;
  const auto phases = phases_of(map);
  return std::all_of(phases.begin(), phases.end(), [&](const Phase& phase) {
    const Window window(map, phase, 1, 1, 1, 1, false);
    return WeightSpans(map, window.weights(), false).channels_adjoin();
  });
}

double surviving_total(Env& env, const LinearMap& map, const GradientCall& call) {
  double total = 0.0;
  for (const Phase& phase : phases_of(map)) total += TotalRun(env, map, phase, call).run();
  return total;
}

}  // namespace px
