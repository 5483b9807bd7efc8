#include "phase_run.h"

namespace px {
namespace {

constexpr int kMinQuads = 4;    // quads of channels a task has at least, where there are as many
constexpr int kSomeQuads = 14;  // quads whose lists are made together: as many as a word of a mask has
constexpr size_t kSortedPlaces = 16 * 1024;  // places for weights that are sorted together: 4 MiB of them
constexpr size_t kAdjoining = 512;           // weights that lie side by side and are worth a look elsewhere
constexpr size_t kListWeights = 4 * 1024;    // whose lists are a task: small layers' are short, but many
// From here on f is summed in runs: with fewer weights short chunks are as accurate, and faster.
constexpr double kRunsDensity = 0.8;
constexpr size_t kFewVectors = 8;  // up to so many vectors a weight, lists are made where they are used
constexpr size_t kTaskWeights = size_t{1} << 16;  // weights a task of such a layer looks at
constexpr size_t kGathered = 16 * 1024;           // floats of a task that only gathers

}  // namespace

PhaseRun::PhaseRun(Env& env, const LinearMap& map, const Phase& phase, const LinearCall& call,
                   std::vector<SharedMax>& tops, bool clears)
    : env_(env),
      map_(map),
      phase_(phase),
      call_(call),
      tops_(tops),
      lanes_(env.kernels.lanes),
      blocks_(call.grid.blocks * static_cast<int>(call.tensors.size())),
      filled_(call.weight.source != Source::mask && !call.box &&
              ListBuilder::better_filled(call.weight.density, vectors())),
      in_place_(!call.box && reads_in_place(map, phase, call.grid)),
      runs_(call.weight.source == Source::theta && list_density() >= kRunsDensity),
      chunk_(call.box ? 1
                      : bounded_chunk(map, phase, call.grid,
                                      chunk_channels(map, phase, list_density(), most_entries()), in_place_)),
      chunks_(call.box ? 1 : (map.in_channels + chunk_ - 1) / chunk_),
      quads_((map.out_channels + kQuad - 1) / kQuad),
      clears_(map.out_halo && clears),
      tiling_(tile(map, phase, grid(), lanes_, chunk_, in_place_)),
      window_(map, phase, tiling_.rows, phase.col->count, tiling_.slots, tiling_.unit, in_place_) {
  if (call.box) return;
  entries_ = window_.entries(chunk_);
  if (call.weight.source != Source::mask) return;
  box_offsets_.resize(phase.taps());
  box_list_ = ListBuilder::box(window_.taps(), box_offsets_.data());
}

// Quads whose lists are made together: some, where the weights of an adjoint's lie side by side; otherwise one after the other, as a
// memory's prefetcher follows a few rows of weights and not dozens.
size_t PhaseRun::quads_together(size_t room) const {
  const size_t quads = quads_;
  if (filled_)
    return std::clamp<size_t>(
        ListBuilder::across(map_, window_.weights()) ? kAdjoining / (kQuad * map_.w_out) : 1, 1, quads);
  const size_t adjoining =
      std::clamp<size_t>(kSortedPlaces / (chunk_ * phase_.taps()), 1, std::min<size_t>(kSomeQuads, quads));
  return std::clamp<size_t>(kListWeights / (kQuad * room), adjoining, quads);
}

// All lists, packed side by side: [chunk][group][quad].
void PhaseRun::pack() {
  const size_t groups = map_.groups, all = groups * quads_;
  const size_t room = phase_.taps() * (call_.box ? 1 : map_.in_channels);
  lists_.resize(static_cast<size_t>(chunks_) * all);
  offsets_ = env_.pool.acquire(all * room);
  if (!ones()) weights_ = env_.pool.acquire(all * room * kQuad);
  const size_t some = quads_together(room);
  const size_t sets = (quads_ + some - 1) / some;
  const size_t grain = std::max<size_t>(1, kListWeights / (kQuad * room * some));
  for_ranges(env_.threads, groups * sets, grain, [&](size_t lo, size_t hi, size_t) {
    BorrowedScratch scratch(env_.scratch);
    ListBuilder builder = this->builder(*scratch);
    std::vector<ListBuilder::Room> rooms;
    for (size_t task = lo; task < hi; ++task) {
      const int group = static_cast<int>(task / sets), first = static_cast<int>(task % sets * some),
                end = std::min(quads_, first + static_cast<int>(some));
      const size_t base = static_cast<size_t>(group) * quads_ + first;
      rooms.clear();
      for (int q = 0; q < end - first; ++q)
        rooms.push_back({reinterpret_cast<int32_t*>(offsets_.get()) + (base + q) * room,
                         weights_ ? weights_.get() + (base + q) * room * kQuad : nullptr});
      for (int chunk = 0; chunk < chunks_; ++chunk) {
        ConvList* const lists = lists_.data() + chunk * all + base;
        if (call_.box)
          for (int q = 0; q < end - first; ++q) lists[q] = ListBuilder::box(window_.taps(), rooms[q].off);
        else
          builder.build(group, first, end, chunk * chunk_, std::min(map_.in_channels, (chunk + 1) * chunk_),
                        rooms.data(), lists);
      }
    }
  });
}

void PhaseRun::merge_moments(size_t bands) {
  const size_t channels = static_cast<size_t>(map_.groups) * map_.out_channels;
  call_.moments->resize(channels);
  for (size_t b = 0; b < bands; ++b)
    for (size_t c = 0; c < channels; ++c) (*call_.moments)[c].merge(parts_[b * channels + c]);
}

void PhaseRun::prepare() {
  const size_t bands = tiling_.band_count(phase_);
  const size_t weights = static_cast<size_t>(map_.in_channels) * phase_.taps();
  if (vectors() <= kFewVectors && !call_.box) {
    // Every weight is used a few times only: no list outlives its use.
    quad_chunk_ = static_cast<int>(std::clamp<size_t>(kTaskWeights / (kQuad * weights), 1, quads_));
  } else {
    pack();
    const size_t wanted = bands < 16 ? (16 + bands - 1) / bands : 1;
    quad_chunk_ = std::max(kMinQuads, static_cast<int>((quads_ + wanted - 1) / wanted));
    quad_chunk_ = std::min(quad_chunk_, quads_);
  }
  if (moments()) parts_.resize(bands * map_.groups * map_.out_channels);
}

// What is read may be made here, for this block alone: it stays in this processor's cache.
void PhaseRun::run_block(int block, float* y) {
  const BorrowedScratch scratch(env_.scratch);
  const Blocks* const blocks = call_.tensors[0].blocks;
  const float* x = blocks ? nullptr : this->x(block);
  if (blocks) {
    const size_t lead = lead_floats(map_.in_halo, lanes_);
    float* const made = room(scratch->block, lead + blocks->floats) + lead;
    std::fill(made - lead, made, 0.0f);
    blocks->make(block, made);
    x = made;
  }
  const size_t bands = tiling_.band_count(phase_) / blocks_;
  for (size_t b = 0; b < bands; ++b) {
    env_.threads.check_abort();
    for (size_t task = 0; task < tasks(); ++task) run_band(block * bands + b, task, x, y);
  }
}

// Every band's window, [band][input channel].
void PhaseRun::gather_bands() {
  const size_t bands = tiling_.band_count(phase_), channels = in_channels(), floats = window_.channel();
  windows_ =
      env_.pool.acquire(bands * channels * floats + kTilePoints * lanes_);  // which tiles may read beyond
  for_ranges(env_.threads, bands * channels, std::max<size_t>(1, kGathered / floats),
             [&](size_t lo, size_t hi, size_t) {
               while (lo < hi) {
                 const Band band(tiling_, phase_, grid(), lo / channels);
                 const size_t channel = lo % channels, count = std::min(hi - lo, channels - channel);
                 for (int n = 0; n < band.slots; ++n)
                   window_.gather(x(band.block + n), channel, static_cast<int>(count), band.outer, band.row,
                                  n, windows_.get() + lo * floats);
                 lo += count;
               }
             });
}

void PhaseRun::run_bands(float* whole) {
  if (tasks() > 1 && !in_place_ && !call_.box) gather_bands();
  env_.threads.run(tiling_.band_count(phase_) * tasks(), [&](size_t t) {
    const int block = Band(tiling_, phase_, grid(), t / tasks()).block;
    run_band(t / tasks(), t % tasks(), x(block),
             whole ? whole + block * map_.out_elements * lanes_ : y(block));
  });
  windows_ = Buffer();
}

void PhaseRun::run() {
  prepare();
  if (call_.tensors[0].blocks)
    env_.threads.run(blocks_, [&](size_t b) { run_block(static_cast<int>(b), y(static_cast<int>(b))); });
  else
    run_bands(nullptr);
  if (moments()) merge_moments(tiling_.band_count(phase_));
}

}  // namespace px
