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

size_t ListBuilder::kept(size_t row, int from, int to) const {
  size_t n = 0;
  spans_.each(row, from, to, [&](size_t first, size_t, size_t count, int) {
    n += count_bits(Weights::span(w_.mask, first, count));
  });
  return n;
}

// flip: the channel's list holds the weights that are gone, as -1.
template <Source S>
ConvList ListBuilder::collect(int group, int pair, int from, int to, bool flip0, bool flip1, int32_t*& off,
                              float*& w) {
  const size_t row = group * map_.w_group + static_cast<size_t>(2 * pair) * map_.w_out;
  const bool two = 2 * pair + 1 < map_.out_channels;
  const auto value = [&](size_t i, float factor, bool flip) {
    if (S == Source::mask) return flip ? -1.0f : 1.0f;
    if (S == Source::theta) return factor * w_.values[i];
    const float v = w_.values[i] * w_.squared_scale;
    return factor * (v * v);
  };
  const size_t most = (to - from) * taps_ + 2 * kConvRun;
  first_.resize(most);
  second_.resize(most);
  size_t both = 0, first = 0, second = 0;
  spans_.each(row, from, to, [&](size_t i, size_t entry, size_t n, int channel) {
    const size_t k = i + map_.w_out;
    const float factor =
        w_.in_factor ? w_.factor * w_.in_factor[group * map_.in_channels + channel] : w_.factor;
    const uint64_t a = Weights::span(w_.mask, i, n) ^ (flip0 ? low_bits(n) : 0);
    const uint64_t b = two ? Weights::span(w_.mask, k, n) ^ (flip1 ? low_bits(n) : 0) : 0;
    const int32_t* const at = entries_.data() + entry;
    for_bits(a & b, [&](size_t t) {
      off[both] = at[t];
      w[2 * both] = value(i + t, factor, flip0);
      w[2 * both + 1] = value(k + t, factor, flip1);
      ++both;
    });
    for_bits(a & ~b, [&](size_t t) { first_[first++] = {at[t], value(i + t, factor, flip0)}; });
    for_bits(b & ~a, [&](size_t t) { second_[second++] = {at[t], value(k + t, factor, flip1)}; });
  });
  ConvList list{};
  list.off = off;
  list.w = w;
  list.boxed = (flip0 ? 1u : 0u) | (flip1 ? 2u : 0u);
  // Not f's: as one sum it keeps two networks of the golden cases, which hang on single gates, within tolerance on every instruction set.
  if (!two && S != Source::theta) {
    list.joined = true;
    for (size_t i = 0; i < first; ++i) (i % 2 == 0 ? first_ : second_)[i / 2] = first_[i];
    second = first / 2;
    first -= second;
  }
  for (; both % step_ != 0; --both) {
    first_[first++] = {off[both - 1], w[2 * both - 2]};
    second_[second++] = {off[both - 1], w[2 * both - 1]};
  }
  list.both = static_cast<uint32_t>(both);
  off += both;
  w += 2 * both;
  write_single(first, second, list, off, w);
  return list;
}

void ListBuilder::write_single(size_t first, size_t second, ConvList& list, int32_t*& off, float*& w) {
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
  const size_t half = (to - from) * taps_ / 2;
  // With one output channel the box sum would serve nobody else.
  const bool box = map_.out_channels > 2 && w_.density > 0.4;
  const bool flip0 = box && kept(base, from, to) > half;
  const bool flip1 = box && 2 * pair + 1 < map_.out_channels && kept(base + map_.w_out, from, to) > half;
  return collect<Source::mask>(group, pair, from, to, flip0, flip1, off, w);
}

}  // namespace px
