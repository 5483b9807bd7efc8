// What a task of a phase does: gathers, walks lists over tiles of points, and leaves outputs, maxima and moments behind.
#include "phase_run.h"

namespace px {

constexpr size_t kFarFloats = 5 * 512 * 1024;  // that no cache near by holds, read and written together
constexpr size_t kListBytes = 16 * 1024;       // of lists that go over a band together: half of L1

// Quads [first, end) of every group over one band.
class PhaseRun::Task {
 public:
  // x, y: of the band's first block.
  Task(PhaseRun& run, const Band& band, size_t index, int first, int end, const float* x, float* y)
      : run_(run),
        band_(band),
        index_(index),
        x_(x),
        y_(y),
        first_(first),
        end_(end),
        scratch_(run.env_.scratch),
        yp_(scratch_->to) {
    rows_.clear();
    yp_.clear();
    const int cols = run.phase_.col->count, lanes = run.lanes_;
    if (along_positions()) {
      // Rows as one: what lies between them is computed, too, and dropped.
      const size_t floats = (band.rows - 1) * run.window_.row() + cols;
      for (int s = 0; s < band.slots; ++s)
        add_row(run.window_.point(s, 0, 0), (floats + lanes - 1) / lanes, s);
      buffered_ = !(band.slots == 1 && run.rows_join() && floats == static_cast<size_t>(cols) * band.rows &&
                    floats % lanes == 0);
      const size_t first = buffered_ ? 0 : out_at(0, 0);
      for (size_t p = 0; p < points(); ++p) yp_.push_back(static_cast<ptrdiff_t>(first + p * lanes));
      return;
    }
    if (run.in_place_ && run.window_.row() == static_cast<size_t>(cols) * lanes && run.rows_join()) {
      add_row(run.window_.point(0, 0, 0), static_cast<size_t>(cols) * band.rows, 0);
      for (size_t p = 0; p < points(); ++p) yp_.push_back(static_cast<ptrdiff_t>((out_at(0, 0) + p) * lanes));
      return;
    }
    for (int r = 0; r < band.rows; ++r) {
      add_row(run.window_.point(0, r, 0), static_cast<size_t>(cols) * band.slots, 0);
      for (int c = 0; c < cols; ++c)
        for (int s = 0; s < band.slots; ++s)
          yp_.push_back(static_cast<ptrdiff_t>((s * run.map_.out_elements + out_at(r, c)) * lanes));
    }
  }

  void run() {
    const LinearMap& map = run_.map_;
    const int chunk = run_.chunk_;
    room_ = room(scratch_->input, ((gathers() ? chunk : 0) + 1) * run_.window_.band());
    const int channels = std::min(map.out_channels, kQuad * end_) - kQuad * first_;
    const size_t floats = points() * run_.lanes_;
    if (buffered_) output_ = room(scratch_->output, floats * channels);
    if (run_.lists_.empty()) make_room();
    for (int g = 0; g < map.groups; ++g) {
      const size_t channel = static_cast<size_t>(g) * map.out_channels + kQuad * first_;
      ConvArgs a{};
      a.channels = channels;
      a.far = far() && !buffered_;
      a.y = buffered_ ? output_ : y_ + channel * map.out_channel_stride * run_.tiling_.unit;
      a.y_channel = static_cast<ptrdiff_t>(buffered_ ? floats : map.out_channel_stride * run_.tiling_.unit);
      float top = 0.0f;
      for (int q = 0; q < run_.chunks_; ++q) {
        const int from = q * chunk, to = std::min(map.in_channels, from + chunk);
        gather(g, from, to);
        look_ahead(g, q);
        const bool boxed = lists(g, q, from, to, a);
        if (boxed) add_channels(to - from);
        a.bias = q == 0 && run_.call_.bias ? run_.call_.bias + channel : nullptr;
        a.add = q > 0;
        const bool last = q + 1 == run_.chunks_;
        a.clamp = last && run_.call_.weight.source == Source::mask;
        if (last && run_.call_.epilogue) epilogue(channel, a);
        a.max = last && !run_.tops_.empty() && !buffered_ ? &top : nullptr;
        tiles(a, boxed);
      }
      if (buffered_)
        scatter(channel, channels);
      else if (!run_.tops_.empty())
        run_.tops_[band_.block / run_.call_.grid.blocks].add(top);
      if (run_.moments()) measure(channel, channels);
      if (run_.clears_) clear(channel, channels);
    }
  }

 private:
  // Neighbours in the window, whose outputs are points [first, end).
  struct Row {
    ptrdiff_t x;
    size_t first, end;
    int slot;
  };

  bool along_positions() const { return run_.tiling_.unit == 1; }
  // Each task what it reads.
  bool gathers() const { return !run_.in_place_ && !run_.windows_; }
  size_t points() const { return rows_.empty() ? 0 : rows_.back().end; }
  void add_row(ptrdiff_t x, size_t count, int slot) {
    rows_.push_back({x, points(), points() + count, slot});
  }

  // Whether it is worth fetching ahead: always for kernels that use what they read many times, else only what comes from far.
  bool far() const {
    return run_.map_.taps > 1 ||
           (run_.map_.in_elements + run_.map_.out_elements) * run_.lanes_ * run_.blocks_ >= kFarFloats;
  }

  float* y(int slot) const { return slot == 0 ? y_ : run_.y(band_.block + slot); }

  // An output of the band's first block, in elements.
  size_t out_at(int r, int c) const { return run_.phase_.out_offset(band_.outer, band_.row + r, c); }

  void gather(int g, int from, int to) {
    const size_t first = static_cast<size_t>(g) * run_.map_.in_channels;
    if (run_.in_place_) {
      input_ = run_.window_.at(x_, first + from, band_.row);
      return;
    }
    if (run_.windows_) {
      input_ = run_.windows_.get() + (index_ * run_.in_channels() + first + from) * run_.window_.channel();
      return;
    }
    float* const input = room_;
    for (int n = 0; n < band_.slots; ++n) {
      const float* x = n == 0 ? x_ : run_.x(band_.block + n);
      if (run_.call_.box)
        run_.window_.gather_sum(x, first, run_.map_.in_channels, band_.outer, band_.row, n, input);
      else
        run_.window_.gather(x, first + from, to - from, band_.outer, band_.row, n, input);
    }
    input_ = input;
  }

  // What will be gathered next, chunk by chunk and band by band, comes into the cache while this chunk is computed: of a band's only
  // chunk, the rows that the next band does not share with it.
  void look_ahead(int g, int q) {
    ahead_ = {};
    if (buffered_) return expect_outputs(g, q);
    if (along_positions() || !far() || run_.windows_ || run_.call_.box ||
        run_.phase_.outer_taps.size() != 1 || band_.slots > 1)
      return;
    if (run_.call_.tensors[0].blocks) return;
    const int chunk = run_.chunk_, groups = run_.map_.groups;
    const int turn = g * run_.chunks_ + q + 1;  // the next chunk in this band
    const bool last = turn == groups * run_.chunks_;
    const size_t index = index_ + (last ? 1 : 0);
    if (index == run_.tiling_.band_count(run_.phase_)) return;
    const Band band(run_.tiling_, run_.phase_, run_.grid(), index);
    const int group = last ? 0 : turn / run_.chunks_, from = last ? 0 : turn % run_.chunks_ * chunk;
    auto reach = run_.window_.reach(band.outer, band.row);
    const bool shared = last && turn == 1 && band.block == band_.block && band.outer == band_.outer;
    if (shared) reach.first = std::max(reach.first, run_.window_.reach(band_.outer, band_.row).end);
    if (reach.end <= reach.first) return;
    const size_t lanes = run_.lanes_, channel = static_cast<size_t>(group) * run_.map_.in_channels + from;
    ahead_.row = run_.x(band.block) + (channel * run_.map_.in_channel_stride + reach.first) * lanes;
    ahead_.step = run_.map_.in_channel_stride * lanes;
    ahead_.rows = std::min(chunk, run_.map_.in_channels - from);
    ahead_.lines = static_cast<uint32_t>(((reach.end - reach.first) * lanes + kLineFloats - 1) / kLineFloats);
  }

  // Where outputs that go through a buffer will go in the end.
  void expect_outputs(int g, int q) {
    if (q + 1 < run_.chunks_) return;
    const size_t channel = static_cast<size_t>(g) * run_.map_.out_channels + kQuad * first_;
    const size_t from = out_at(0, 0), to = out_at(band_.rows - 1, run_.phase_.col->count - 1);
    ahead_.row = y_ + channel * run_.map_.out_channel_stride + from;
    ahead_.step = run_.map_.out_channel_stride;
    ahead_.rows = std::min(run_.map_.out_channels, kQuad * end_) - kQuad * first_;
    ahead_.lines = static_cast<uint32_t>((to - from) / kLineFloats + 1);
  }

  // For lists that do not outlive the chunk.
  void make_room() {
    const size_t each = run_.chunk_ * run_.phase_.taps(), quads = end_ - first_;
    int32_t* off = px::room(scratch_->offsets, each * quads);
    float* w = px::room(scratch_->weights, run_.ones() ? 0 : each * quads * kQuad);
    for (size_t q = 0; q < quads; ++q) own_rooms_.push_back({off + q * each, w + q * each * kQuad});
    own_lists_.resize(quads);
    builder_ = std::make_unique<ListBuilder>(run_.builder(*scratch_));
  }

  void epilogue(size_t channel, ConvArgs& a) const {
    const Epilogue& e = *run_.call_.epilogue;
    const ptrdiff_t at =
        static_cast<ptrdiff_t>(band_.block * run_.map_.out_elements) * run_.lanes_ + (a.y - y_);
    a.bits = e.bits + at / 8;
    a.factor = e.factor;
    a.factors = e.scale ? e.scale + channel : nullptr;
    if (!e.plus) return;
    a.plus = e.plus->data.get() + at;
    a.plus_factor = e.plus->factor;
  }

  // Points `a` at the lists of a chunk; true where one begins with the box sum.
  bool lists(int g, int q, int from, int to, ConvArgs& a) {
    if (builder_) {
      auto rooms = own_rooms_;
      builder_->build(g, first_, end_, from, to, rooms.data(), own_lists_.data());
      a.lists = own_lists_.data();
    } else {
      a.lists = run_.lists_.data() + (static_cast<size_t>(q) * run_.map_.groups + g) * run_.quads_ + first_;
    }
    for (int q = 0; q < end_ - first_; ++q)
      if (a.lists[q].boxed) return true;
    return false;
  }

  // The channels of the chunk added up, behind the last.
  void add_channels(int count) {
    const Window& window = run_.window_;
    const int short_by =
        run_.in_place_ ? run_.tiling_.rows - band_.rows : 0;  // what lies behind belongs to others
    const size_t n = window.band() - short_by * window.row(), step = window.channel();
    box_ = room_ + (gathers() ? run_.chunk_ : 0) * step;
    std::copy(input_, input_ + n, box_);
    for (int c = 1; c < count; ++c) run_.env_.kernels.axpby(input_ + c * step, 1.0f, box_, 1.0f, n);
  }

  // Points in tiles of about the same size. As many lists as L1 holds go over all tiles before the next do.
  void tiles(const ConvArgs& all, bool boxed) {
    const Kernels& kernels = run_.env_.kernels;
    const auto kernel = run_.ones() ? kernels.conv_ones : run_.runs_ ? kernels.conv_runs : kernels.conv;
    if (boxed) box_sums();
    const int quads = (all.channels + kQuad - 1) / kQuad;
    spread_ahead(all.channels, tile_count(all.channels));
    for (int lo = 0, hi; lo < quads; lo = hi) {
      size_t bytes = 0;
      for (hi = lo; hi < quads && (hi == lo || bytes < kListBytes); ++hi) bytes += list_bytes(all.lists[hi]);
      ConvArgs a = all;
      a.ahead = ahead_.rows > 0 ? &ahead_ : nullptr;
      a.lists += lo;
      a.channels = std::min(all.channels, kQuad * hi) - kQuad * lo;
      a.y += kQuad * lo * a.y_channel;
      if (a.bias) a.bias += kQuad * lo;
      if (a.bits) a.bits += kQuad * lo * a.y_channel / 8;
      if (a.plus) a.plus += kQuad * lo * a.y_channel;
      if (a.factors) a.factors += kQuad * lo;
      each_tile(a.channels, [&](const Row& row, ptrdiff_t x, size_t first, int points) {
        a.x = input_ + x;
        a.scale = run_.tensor(band_.block + row.slot).scale;
        a.yp = yp_.data() + first;
        a.points = points;
        a.start = boxed ? start_ + first * run_.lanes_ : nullptr;
        kernel(&a);
      });
    }
  }

  // Over all lists, of so many tiles each.
  void spread_ahead(int channels, size_t tiles) {
    const int quads = (channels + kQuad - 1) / kQuad,
              times_a_list = channels == 1 ? 1 : kQuadSets / kAheadEvery;
    const size_t times = tiles * quads * times_a_list;
    ahead_.each = static_cast<uint32_t>((size_t{ahead_.rows} * ahead_.lines + times - 1) / times);
  }

  static size_t list_bytes(const ConvList& list) {
    size_t numbers = 0;
    for (int set = 1; set < kQuadSets; ++set)
      numbers += list.count[set] * (list.w ? 1 + set_channels(set) : 1);
    return 4 * numbers;
  }

  size_t row_tiles(const Row& row, int channels) const {
    const Kernels& kernels = run_.env_.kernels;
    const int most = channels == 1 ? kernels.alone_points : kernels.conv_points;
    return (row.end - row.first + most - 1) / most;
  }
  size_t tile_count(int channels) const {
    size_t n = 0;
    for (const Row& row : rows_) n += row_tiles(row, channels);
    return n;
  }

  // fn(row, offset in the window, first point, points) for tiles of neighbours.
  template <typename Fn>
  void each_tile(int channels, Fn fn) const {
    for (const Row& row : rows_) {
      const size_t points = row.end - row.first, count = row_tiles(row, channels);
      for (size_t t = 0; t < count; ++t) {
        const size_t lo = points * t / count, hi = points * (t + 1) / count;
        fn(row, row.x + static_cast<ptrdiff_t>(lo * run_.lanes_), row.first + lo, static_cast<int>(hi - lo));
      }
    }
  }

  // A vector per point.
  void box_sums() {
    const Kernels& kernels = run_.env_.kernels;
    start_ = room(scratch_->start, points() * run_.lanes_);
    ptrdiff_t places[16];
    for (int p = 0; p < 16; ++p) places[p] = p * run_.lanes_;
    ConvArgs a{};
    a.yp = places;
    a.lists = &run_.box_list_;
    a.channels = 1;
    a.scale = 1.0f;
    each_tile(a.channels, [&](const Row&, ptrdiff_t x, size_t first, int points) {
      a.x = box_ + x;
      a.points = points;
      a.y = start_ + first * run_.lanes_;
      kernels.conv_ones(&a);
    });
  }

  // Positions go to their places, and what was computed between rows is dropped.
  void scatter(size_t channel, int channels) const {
    const int count = run_.phase_.col->count;
    const size_t step = run_.phase_.col->step * run_.phase_.col_axis->out_stride;
    const bool join = step == 1 && run_.rows_join();
    for (int s = 0; s < band_.slots; ++s) {
      const int block = band_.block + s;
      float top = 0.0f;
      for (int m = 0; m < channels; ++m) {
        const float* from = output_ + (m * points() + rows_[s].first) * run_.lanes_;
        float* const channel_at = y(s) + (channel + m) * run_.map_.out_channel_stride;
        if (join) {
          top = std::max(top, run_.env_.kernels.join_rows(from, run_.window_.row(), band_.rows, count,
                                                          channel_at + out_at(0, 0)));
          continue;
        }
        for (int r = 0; r < band_.rows; ++r, from += run_.window_.row()) {
          float* const to = channel_at + out_at(r, 0);
          for (int c = 0; c < count; ++c) to[c * step] = from[c];
          if (!run_.tops_.empty()) top = std::max(top, run_.env_.kernels.largest(from, count));
        }
      }
      if (!run_.tops_.empty()) run_.tops_[block / run_.call_.grid.blocks].add(top);
    }
  }

  void measure(size_t channel, int channels) {
    const int lanes = run_.call_.grid.lanes;
    const size_t all = static_cast<size_t>(run_.map_.groups) * run_.map_.out_channels;
    const size_t row = run_.phase_.col->count, count = band_.rows;
    const Rows rows = run_.rows_join() ? Rows{1, count * row, 0}
                                       : Rows{count, row, run_.phase_.row_axis->out_stride * lanes};
    for (int s = 0; s < band_.slots; ++s)
      add_moments(run_.env_.kernels, y(s) + (channel * run_.map_.out_channel_stride + out_at(0, 0)) * lanes,
                  run_.map_.out_channel_stride * lanes, channels, rows, lanes,
                  run_.call_.grid.filled(band_.block + s), &run_.parts_[index_ * all + channel]);
  }

  // Zeros right of the band's rows, and below the last.
  void clear(size_t channel, int channels) const {
    const Halo& h = *run_.map_.out_halo;
    const size_t lanes = run_.lanes_, end = band_.row + band_.rows;
    for (int s = 0; s < band_.slots; ++s)
      for (int m = 0; m < channels; ++m)
        clear_gaps(h, lanes, y(s) + (channel + m) * h.channel * lanes, band_.row * h.row * lanes,
                   (end == h.rows ? h.channel : end * h.row) * lanes);
  }

  PhaseRun& run_;
  const Band band_;
  const size_t index_;
  const float* const x_;
  float* const y_;
  const int first_, end_;
  BorrowedScratch scratch_;
  std::vector<Row> rows_;
  Scratch::Array<ptrdiff_t>& yp_;
  bool buffered_ = false;                      // outputs along positions, which do not end with whole vectors
  float *room_ = nullptr, *output_ = nullptr;  // borrowed: for what is gathered or added up, and for outputs
  const float* input_ = nullptr;               // the first channel of the chunk
  std::unique_ptr<ListBuilder> builder_;       // of lists that do not outlive the chunk
  std::vector<ListBuilder::Room> own_rooms_;
  std::vector<ConvList> own_lists_;
  ConvAhead ahead_;
  float *box_ = nullptr, *start_ = nullptr;  // the chunk's channels added up, and the box sums of every point
};

void PhaseRun::run_band(size_t index, size_t task, const float* x, float* y) {
  const int first = static_cast<int>(task) * quad_chunk_;
  Task(*this, Band(tiling_, phase_, grid(), index), index, first, std::min(quads_, first + quad_chunk_), x, y)
      .run();
}

}  // namespace px
