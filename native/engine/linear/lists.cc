#include "lists.h"

namespace px {

int chunk_channels(const LinearMap& map, const Phase& phase, double density, int lanes, int points) {
  const double entries = static_cast<double>(phase.taps()) * std::max(density, 1e-6);  // of a channel
  // Vectors of the window that a tile of so many neighbouring points touches, in a channel.
  const int cols = static_cast<int>(phase.col->taps.size()), step = phase.col->in_step;
  const int touched = std::min(cols * points, std::min(step, cols) * (points + (cols - 1) / step));
  const double floats = static_cast<double>(phase.taps() / cols) * touched * lanes;
  const double channels =
      std::min(kMostEntries, std::max(kLeastEntries, entries * (kTileFloats / floats))) / entries;
  if (channels >= map.in_channels) return map.in_channels;
  // Chunks of about the same size.
  const int chunks = static_cast<int>(std::ceil(map.in_channels / std::max(1.0, channels)));
  return (map.in_channels + chunks - 1) / chunks;
}

size_t ListBuilder::kept(size_t first, int from, int to) const {
  size_t n = 0;
  for (int c = from; c < to; ++c)
    for (size_t t : weights_) n += Weights::bit(w_.mask, first + c * map_.w_in + t);
  return n;
}

// flip: the channel's list holds the weights that are gone, as -1.
template <Source S>
ConvList ListBuilder::collect(int group, int pair, int from, int to, bool flip0, bool flip1, int32_t*& off,
                              float*& w) {
  const size_t base = group * map_.w_group + static_cast<size_t>(2 * pair) * map_.w_out;
  const bool two = 2 * pair + 1 < map_.out_channels;
  const size_t other = two ? map_.w_out : 0;
  const auto value = [&](size_t i, float factor, bool flip) {
    if (S == Source::mask) return flip ? -1.0f : 1.0f;
    if (S == Source::theta) return factor * w_.values[i];
    const float v = w_.values[i] * w_.squared_scale;
    return factor * (v * v);
  };
  // Every entry is written to all three, and counted in one or none: at middling densities a branch would be a guess.
  const size_t most = (to - from) * weights_.size() + 2 * kConvRun;
  both_.resize(most);
  first_.resize(most);
  second_.resize(most);
  size_t both = 0, first = 0, second = 0;
  for (int c = from; c < to; ++c) {
    const size_t row = base + c * map_.w_in;
    const int32_t place = static_cast<int32_t>((c - from) * channel_);
    const float factor = w_.in_factor ? w_.factor * w_.in_factor[group * map_.in_channels + c] : w_.factor;
    for (size_t t = 0; t < weights_.size(); ++t) {
      const size_t i = row + weights_[t], k = i + other;
      const bool a = Weights::bit(w_.mask, i) != flip0, b = two & (Weights::bit(w_.mask, k) != flip1);
      const int32_t at = place + offsets_[t];
      const float wa = value(i, factor, flip0), wb = value(k, factor, flip1);
      both_[both] = {at, wa, wb};
      first_[first] = {at, wa};
      second_[second] = {at, wb};
      both += a & b;
      first += a & !b;
      second += b & !a;
    }
  }
  ConvList list{};
  list.boxed = (flip0 ? 1u : 0u) | (flip1 ? 2u : 0u);
  // Not f's: as one sum it keeps two networks of the golden cases, which hang on single gates, within tolerance on every instruction set.
  if (!two && S != Source::theta) {
    list.joined = true;
    for (size_t i = 0; i < first; ++i) (i % 2 == 0 ? first_ : second_)[i / 2] = first_[i];
    second = first / 2;
    first -= second;
  }
  write(both, first, second, list, off, w);
  return list;
}

void ListBuilder::write(size_t both, size_t first, size_t second, ConvList& list, int32_t*& off, float*& w) {
  list.off = off;
  list.w = w;
  for (; both % step_ != 0; --both) {
    const Both& e = both_[both - 1];
    first_[first++] = {e.off, e.w0};
    second_[second++] = {e.off, e.w1};
  }
  for (size_t i = 0; i < both; ++i) {
    *off++ = both_[i].off;
    *w++ = both_[i].w0;
    *w++ = both_[i].w1;
  }
  const size_t single = std::max(first, second);
  // Filled up with a place the channel reads anyway.
  const Entry fill0{first ? first_[first - 1].off : 0, 0.0f},
      fill1{second ? second_[second - 1].off : 0, 0.0f};
  for (size_t i = 0; i < single; ++i) {
    const Entry& a = i < first ? first_[i] : fill0;
    const Entry& b = i < second ? second_[i] : fill1;
    *off++ = a.off;
    *off++ = b.off;
    *w++ = a.w;
    *w++ = b.w;
  }
  list.both = static_cast<uint32_t>(both);
  list.single = static_cast<uint32_t>(single);
}

ConvList ListBuilder::box(const std::vector<int32_t>& taps, int32_t* off, float* w) {
  ConvList list{};
  list.off = off;
  list.w = w;
  list.joined = true;
  list.single = static_cast<uint32_t>((taps.size() + 1) / 2);
  for (size_t i = 0; i < 2 * list.single; ++i) {
    off[i] = taps[std::min(i, taps.size() - 1)];
    w[i] = i < taps.size() ? 1.0f : 0.0f;
  }
  return list;
}

ConvList ListBuilder::build(int group, int pair, int from, int to, int32_t*& off, float*& w) {
  switch (w_.source) {
    case Source::theta:
      return collect<Source::theta>(group, pair, from, to, false, false, off, w);
    case Source::theta_squared:
      return collect<Source::theta_squared>(group, pair, from, to, false, false, off, w);
    default:
      break;
  }
  const size_t base = group * map_.w_group + static_cast<size_t>(2 * pair) * map_.w_out;
  const size_t half = (to - from) * weights_.size() / 2;
  // With one output channel the box sum would serve nobody else.
  const bool box = map_.out_channels > 2 && w_.density > 0.4;
  const bool flip0 = box && kept(base, from, to) > half;
  const bool flip1 = box && 2 * pair + 1 < map_.out_channels && kept(base + map_.w_out, from, to) > half;
  return collect<Source::mask>(group, pair, from, to, flip0, flip1, off, w);
}

}  // namespace px
