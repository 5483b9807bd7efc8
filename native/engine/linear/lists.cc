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
    n += count_bits(mask_span(w_.mask, first, count));
  });
  return n;
}

template <Source S>
float ListBuilder::value(size_t i, float factor, bool flip) const {
  if (S == Source::mask) return flip ? -1.0f : 1.0f;
  if (S == Source::theta) return factor * w_.values[i];
  const float v = w_.values[i] * w_.squared_scale;
  return factor * (v * v);
}

// Weights i + bit of the first channel that `a` has, and of the second that `b` has.
template <Source S>
void ListBuilder::take(Pair& pair, size_t i, uint64_t a, uint64_t b, const int32_t* at, float factor) const {
  const size_t k = i + map_.w_out;
  for_bits(a & b, [&](size_t t) {
    pair.room.off[pair.both] = at[t];
    pair.room.w[2 * pair.both] = value<S>(i + t, factor, pair.flip0);
    pair.room.w[2 * pair.both + 1] = value<S>(k + t, factor, pair.flip1);
    ++pair.both;
  });
  for_bits(a & ~b, [&](size_t t) {
    pair.first[pair.firsts++] = {at[t], value<S>(i + t, factor, pair.flip0)};
  });
  for_bits(b & ~a, [&](size_t t) {
    pair.second[pair.seconds++] = {at[t], value<S>(k + t, factor, pair.flip1)};
  });
}

template <Source S>
void ListBuilder::scan(Pair& pair, size_t i, size_t n, const int32_t* at, float factor) const {
  const uint64_t a = mask_span(w_.mask, i, n), b = pair.two ? mask_span(w_.mask, i + map_.w_out, n) : 0;
  take<S>(pair, i, pair.flip0 ? a ^ low_bits(n) : a, pair.flip1 ? b ^ low_bits(n) : b, at, factor);
}

// One input channel, all pairs: i is its first weight to the first of them.
template <Source S>
void ListBuilder::scan_across(std::vector<Pair>& pairs, size_t i, const int32_t* at, float factor) const {
  if (taps_ > 1) {
    for (Pair& pair : pairs) {
      scan<S>(pair, i, taps_, at, factor);
      i += 2 * taps_;
    }
    return;
  }
  constexpr uint64_t kEven = 0x5555555555555555;
  const size_t bits = 2 * pairs.size() - (pairs.back().two ? 0 : 1);
  for (size_t lo = 0; lo < bits; lo += kMaskSpan) {
    const uint64_t word = mask_span(w_.mask, i + lo, std::min(kMaskSpan, bits - lo));
    for_bits((word | word >> 1) & kEven, [&](size_t bit) {
      take<S>(pairs[(lo + bit) / 2], i + lo + bit, word >> bit & 1, word >> (bit + 1) & 1, at, factor);
    });
  }
}

template <Source S>
void ListBuilder::collect(int group, int first, int end, int from, int to, Room* rooms, ConvList* lists) {
  const size_t row = group * map_.w_group, count = end - first;
  const size_t most = (to - from) * taps_ + kConvRun;  // alone, of a channel
  alone_.resize(2 * count * most);
  pairs_.resize(count);
  for (size_t p = 0; p < count; ++p) {
    const int channel = 2 * (first + static_cast<int>(p));
    const bool two = channel + 1 < map_.out_channels;
    // With one output channel the box sum would serve nobody else.
    const bool box = S == Source::mask && map_.out_channels > 2 && w_.density > 0.4;
    const size_t base = row + channel * map_.w_out, half = (to - from) * taps_ / 2;
    pairs_[p] = {rooms[p],
                 alone_.data() + 2 * p * most,
                 alone_.data() + (2 * p + 1) * most,
                 0,
                 0,
                 0,
                 two,
                 box && kept(base, from, to) > half,
                 box && two && kept(base + map_.w_out, from, to) > half};
  }
  const auto factor = [&](int c) {
    return w_.in_factor ? w_.factor * w_.in_factor[group * map_.in_channels + c] : w_.factor;
  };
  const size_t base = row + 2 * first * map_.w_out;
  if (across_)
    for (int c = from; c < to; ++c)
      scan_across<S>(pairs_, base + c * map_.w_in + weights_[0], entries_.data() + (c - from) * taps_,
                     factor(c));
  else
    for (size_t p = 0; p < count; ++p)
      spans_.each(base + 2 * p * map_.w_out, from, to, [&](size_t i, size_t entry, size_t n, int c) {
        scan<S>(pairs_[p], i, n, entries_.data() + entry, factor(c));
      });
  // Not f's: as one sum it keeps two networks of the golden cases, which hang on single gates, within tolerance on every instruction set.
  for (size_t p = 0; p < count; ++p) {
    lists[p] = write(pairs_[p], S != Source::theta);
    rooms[p] = pairs_[p].room;
  }
}

// joins: a channel without a second one uses both halves.
ConvList ListBuilder::write(Pair& p, bool joins) const {
  ConvList list{};
  auto& [off, w] = p.room;
  list.off = off;
  list.w = w;
  list.boxed = (p.flip0 ? 1u : 0u) | (p.flip1 ? 2u : 0u);
  if (!p.two && joins) {
    list.joined = true;
    for (size_t i = 0; i < p.firsts; ++i) (i % 2 == 0 ? p.first : p.second)[i / 2] = p.first[i];
    p.seconds = p.firsts / 2;
    p.firsts -= p.seconds;
  }
  for (; p.both % step_ != 0; --p.both) {
    p.first[p.firsts++] = {off[p.both - 1], w[2 * p.both - 2]};
    p.second[p.seconds++] = {off[p.both - 1], w[2 * p.both - 1]};
  }
  list.both = static_cast<uint32_t>(p.both);
  off += p.both;
  w += 2 * p.both;
  // The shorter side is filled up, with a place the channel reads anyway.
  const size_t single = std::max(p.firsts, p.seconds);
  const Entry fill0{p.firsts ? p.first[p.firsts - 1].off : 0, 0.0f},
      fill1{p.seconds ? p.second[p.seconds - 1].off : 0, 0.0f};
  for (size_t i = 0; i < single; ++i) {
    const Entry& a = i < p.firsts ? p.first[i] : fill0;
    const Entry& b = i < p.seconds ? p.second[i] : fill1;
    *off++ = a.off;
    *off++ = b.off;
    *w++ = a.w;
    *w++ = b.w;
  }
  list.single = static_cast<uint32_t>(single);
  return list;
}

ConvList ListBuilder::box(const std::vector<int32_t>& taps, Room room) {
  ConvList list{};
  list.off = room.off;
  list.w = room.w;
  list.joined = true;
  list.single = static_cast<uint32_t>((taps.size() + 1) / 2);
  for (size_t i = 0; i < 2 * list.single; ++i) {
    room.off[i] = taps[std::min(i, taps.size() - 1)];
    room.w[i] = i < taps.size() ? 1.0f : 0.0f;
  }
  return list;
}

void ListBuilder::build(int group, int first, int end, int from, int to, Room* rooms, ConvList* lists) {
  switch (w_.source) {
    case Source::theta:
      return collect<Source::theta>(group, first, end, from, to, rooms, lists);
    case Source::theta_squared:
      return collect<Source::theta_squared>(group, first, end, from, to, rooms, lists);
    default:
      return collect<Source::mask>(group, first, end, from, to, rooms, lists);
  }
}

}  // namespace px
