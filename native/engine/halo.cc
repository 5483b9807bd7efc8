#include "halo.h"

#include <algorithm>

namespace px {
namespace {

constexpr double kMostGaps = 0.75;  // more zeros than this to an element cost more than gathering

// Zeros a step wants around its input: below, which is above, and right, which is left. A step that reads many channels at a place wants
// them to be apart (channel_step).
struct Wish {
  int below = 0, right = 0;
  bool apart = false;
};

int reach(const SpatialAxis& a) {
  const int64_t last = int64_t{a.out_size} - 1 + int64_t{a.taps - 1} * a.dilation - a.pad;
  return static_cast<int>(std::max<int64_t>({a.pad, last - (int64_t{a.in_size} - 1), 0}));
}

bool channels_first(const ChannelLayout& l, uint32_t rows, uint32_t cols) {
  return l.channel_stride == rows * cols && l.spatial_strides[0] == cols && l.spatial_strides[1] == 1;
}

bool plain_image(const PlanStep& s) { return s.op == Op::conv && s.spatial.size() == 2; }

Wish wish(const PlanStep& s) {
  if (!plain_image(s) || s.spatial[0].stride != 1 || s.spatial[1].stride != 1) return {};
  if (!channels_first(s.in_layout, s.spatial[0].in_size, s.spatial[1].in_size)) return {};
  return {reach(s.spatial[0]), reach(s.spatial[1]), s.in_channels > 1};
}

// Elements from a channel to the next. Where they are a multiple of a cache's sets, or of a large part of them, a place's channels push
// each other out.
size_t channel_step(size_t elements) {
  constexpr size_t kAlike = 8;
  return elements % kAlike == 0 ? elements + 1 : elements;
}

// Values as sets that lie alike; the root of each.
class Sets {
 public:
  explicit Sets(size_t n) : parent_(n) {
    for (size_t i = 0; i < n; ++i) parent_[i] = static_cast<uint32_t>(i);
  }
  uint32_t root(uint32_t v) {
    while (parent_[v] != v) v = parent_[v] = parent_[parent_[v]];
    return v;
  }
  void join(uint32_t a, uint32_t b) { parent_[root(a)] = root(b); }

 private:
  std::vector<uint32_t> parent_;
};

std::shared_ptr<const Halo> halo_of(const PlanValue& value, const Wish& wish) {
  if (value.shape.size() != 3) return nullptr;
  const bool padded = wish.below != 0 || wish.right != 0;
  auto halo = std::make_shared<Halo>();
  Halo& h = *halo;
  h.channels = value.shape[0];
  h.rows = value.shape[1];
  h.cols = value.shape[2];
  h.below = wish.below;
  h.right = wish.right;
  h.row = h.cols + h.right;
  h.channel = channel_step((h.rows + h.below) * h.row);
  h.lead = h.below * h.row + h.right;
  const double gaps = static_cast<double>(h.channel - h.rows * h.cols) / (h.rows * h.cols);
  if (padded ? h.cols < kMinRow || gaps > kMostGaps : !wish.apart || h.channel == h.rows * h.cols)
    return nullptr;
  return halo;
}

}  // namespace

bool alike(const Halo* a, const Halo* b) {
  if (!a || !b) return a == b;
  return a->rows == b->rows && a->cols == b->cols && a->row == b->row && a->channel == b->channel &&
         a->lead == b->lead;
}

bool keeps_halo(const Plan& plan, const PlanStep& s) {
  const auto& shape = plan.values[s.output].shape;
  switch (s.op) {
    case Op::batch_norm:
      return true;
    case Op::activation:
      return static_cast<Activation>(s.function) != Activation::prelu;
    case Op::add:
      return s.inputs.size() == 2 && s.ints[0] > 0 && s.ints[1] > 0 &&
             plan.values[s.inputs[0]].shape == shape && plan.values[s.inputs[1]].shape == shape;
    default:
      return false;
  }
}

Halos::Halos(const Plan& plan, std::initializer_list<uint32_t> given) : values_(plan.values.size()) {
  Sets sets(plan.values.size());
  std::vector<bool> able(plan.values.size());  // its maker can leave gaps
  for (const auto& s : plan.steps) {
    if (keeps_halo(plan, s)) {
      able[s.output] = true;
      for (uint32_t i : s.inputs) sets.join(i, s.output);
    } else if (plain_image(s)) {
      able[s.output] = channels_first(s.out_layout, s.spatial[0].out_size, s.spatial[1].out_size);
    }
  }
  std::vector<Wish> wishes(plan.values.size());
  std::vector<bool> made(plan.values.size());  // by a convolution, some value of the set
  for (const auto& s : plan.steps) {
    const Wish w = wish(s);
    Wish& all = wishes[sets.root(s.inputs[0])];
    all = {std::max(all.below, w.below), std::max(all.right, w.right), all.apart || w.apart};
    if (plain_image(s) && able[s.output]) made[sets.root(s.output)] = true;
  }
  for (uint32_t v : given) able[v] = made[sets.root(v)] = wishes[sets.root(v)].apart = true;
  // One for all of a set, whose members know each other by it.
  std::vector<std::shared_ptr<const Halo>> halos(plan.values.size());
  for (uint32_t v = 0; v < plan.values.size(); ++v) {
    const uint32_t root = sets.root(v);
    if (!able[v] || !made[root]) continue;
    if (!halos[root]) halos[root] = halo_of(plan.values[v], wishes[root]);
    values_[v] = halos[root];
  }
}

void clear_gaps(const Halo& h, size_t lanes, float* x, size_t lo, size_t hi) {
  const size_t channel = h.channel * lanes, row = h.row * lanes, cols = h.cols * lanes;
  const auto clear = [&](size_t from, size_t to) {
    if (std::max(from, lo) < std::min(to, hi)) std::fill(x + std::max(from, lo), x + std::min(to, hi), 0.0f);
  };
  for (size_t at = lo / channel * channel; at < hi; at += channel) {
    const size_t first = lo > at ? std::min(h.rows, (lo - at) / row) : 0;
    for (size_t r = first; r < h.rows && at + r * row < hi; ++r)
      clear(at + r * row + cols, at + (r + 1) * row);
    clear(at + h.rows * row, at + channel);
  }
}

}  // namespace px
