#include "lists.h"

#include "../../prefetch.h"

namespace px {

// From here on most cache lines of weights have one that survives.
constexpr double kMostLines = 0.05;

int chunk_channels(const LinearMap& map, const Phase& phase, double density, double most) {
  const double entries = static_cast<double>(phase.taps()) * std::max(density, 1e-6);  // of a channel
  // Vectors of the window that a tile of so many neighbouring points touches, in a channel.
  const int cols = static_cast<int>(phase.col->taps.size()), step = phase.col->in_step;
  const int touched = std::min(cols * kTilePoints, std::min(step, cols) * (kTilePoints + (cols - 1) / step));
  const double floats = static_cast<double>(phase.taps() / cols) * touched * kTileLanes;
  const double channels = std::min(most, std::max(kLeastEntries, entries * (kTileFloats / floats))) / entries;
  if (channels >= map.in_channels) return map.in_channels;
  // Chunks of about the same size.
  const int chunks = static_cast<int>(std::ceil(map.in_channels / std::max(1.0, channels)));
  return (map.in_channels + chunks - 1) / chunks;
}

// Sorting takes about as long as multiplying a weight with so many vectors, as counted on two machines.
bool ListBuilder::better_filled(double density, size_t vectors) {
  constexpr double kSorting = 32.0;
  return density * kSorting > (1.0 - density) * static_cast<double>(vectors);
}

size_t ListBuilder::kept(size_t row, int from, int to) const {
  size_t n = 0;
  spans_.each(row, from, to, [&](size_t first, size_t, size_t count, int) {
    n += count_bits(mask_span(w_.mask, first, count));
  });
  return n;
}

template <Source S>
float ListBuilder::value(size_t i, float factor) const {
  if (S == Source::theta) return factor * w_.values[i];
  const float v = w_.values[i] * w_.squared_scale;
  return factor * (v * v);
}

// Weights that are read soon, in a piece too short and too far from the last one for a processor to foresee.
void ListBuilder::fetch(size_t first, size_t n) const {
  if (w_.source == Source::mask) return;
  for (size_t i = 0; i < n; i += kLineFloats) prefetch_to_l2(w_.values + first + i);
}

// n neighbouring weights of each channel, the first channel's beginning with i.
void ListBuilder::scan(Quad& quad, size_t i, size_t n, const int32_t* at, float factor) const {
  uint64_t bits[kQuad] = {};
  for (int m = 0; m < quad.channels; ++m)
    bits[m] = mask_span(w_.mask, i + m * map_.w_out, n) ^ (quad.flip >> m & 1 ? low_bits(n) : 0);
  for_bits(bits[0] | bits[1] | bits[2] | bits[3], [&](size_t t) {
    *quad.next[set_at(bits, t)]++ = {at[t], factor, i + t};
  });
}

// A bit for each tap, of those of all weights between two channels.
uint64_t ListBuilder::taps_of(uint64_t word) const {
  if (spans_.taps_adjoin()) return word >> weights_[0] & low_bits(taps_);
  uint64_t taps = 0;
  for (size_t t = 0; t < taps_; ++t) taps |= (word >> weights_[t] & 1) << t;
  return taps;
}

// One input channel, all quads: i is its first weight to the first of them.
void ListBuilder::scan_across(size_t i, const int32_t* at, float factor) {
  const size_t all = map_.w_out;
  if (all > 1) {
    for (Quad& quad : quads_) {
      uint64_t bits[kQuad] = {};
      for (int m = 0; m < quad.channels; ++m) bits[m] = taps_of(mask_span(w_.mask, i + m * all, all));
      for_bits(bits[0] | bits[1] | bits[2] | bits[3], [&](size_t t) {
        *quad.next[set_at(bits, t)]++ = {at[t], factor, i + weights_[t]};
      });
      i += kQuad * all;
    }
    return;
  }
  const size_t bits = kQuad * (quads_.size() - 1) + quads_.back().channels;
  for (size_t lo = 0; lo < bits; lo += kMaskSpan) {
    uint64_t word = mask_span(w_.mask, i + lo, std::min(kMaskSpan, bits - lo));
    for (size_t q = lo / kQuad; word != 0; word >>= kQuad, ++q) {
      const size_t set = word & low_bits(kQuad);
      if (set != 0) *quads_[q].next[set]++ = {*at, factor, i + kQuad * q};
    }
  }
}

template <Source S>
void ListBuilder::collect(int group, int first, int end, int from, int to, Room* rooms, ConvList* lists) {
  const size_t count = end - first;
  const size_t most = (to - from) * taps_ + 3;  // of a set; odd numbers of lines keep sets apart in the cache
  Entry* const found =
      reinterpret_cast<Entry*>(room(scratch_.sorted, count * kQuadSets * most * sizeof(Entry)));
  quads_.resize(count);
  const size_t base = group * map_.w_group + first * kQuad * map_.w_out;
  // With few output channels the box sum would serve nobody else.
  const bool box = S == Source::mask && map_.out_channels > 2 && w_.density > 0.4;
  for (size_t q = 0; q < count; ++q) {
    Quad& quad = quads_[q];
    for (int s = 0; s < kQuadSets; ++s) quad.next[s] = found + (q * kQuadSets + s) * most;
    quad.channels = std::min(kQuad, map_.out_channels - kQuad * (first + static_cast<int>(q)));
    quad.flip = 0;
    for (int m = 0; box && m < quad.channels; ++m)
      if (kept(base + (q * kQuad + m) * map_.w_out, from, to) > (to - from) * taps_ / 2) quad.flip |= 1u << m;
  }
  const bool ahead = w_.density > kMostLines;
  if (across_)
    for (int c = from; c < to; ++c) {
      if (ahead) fetch(base + c * map_.w_in, count * kQuad * map_.w_out);
      scan_across(base + c * map_.w_in, entries_.data() + (c - from) * taps_, factor(group, c));
    }
  else
    for (size_t q = 0; q < count; ++q) {
      for (int m = 0; ahead && spans_.channels_adjoin() && m < quads_[q].channels; ++m)
        fetch(base + (q * kQuad + m) * map_.w_out + from * map_.w_in, (to - from) * taps_);
      spans_.each(base + q * kQuad * map_.w_out, from, to, [&](size_t i, size_t entry, size_t n, int c) {
        scan(quads_[q], i, n, entries_.data() + entry, factor(group, c));
      });
    }
  for (size_t q = 0; q < count; ++q)
    lists[q] = write<S>(quads_[q], found + q * kQuadSets * most, most, rooms[q]);
}

// channels: where each channel's weights are, counted from the first one's.
template <Source S, int Channels>
void ListBuilder::put(const Entry* from, const Entry* to, const size_t channels[Channels], Room& room) const {
  for (const Entry* e = from; e < to; ++e) {
    *room.off++ = e->off;
    if (S == Source::mask) continue;
    for (int k = 0; k < Channels; ++k) *room.w++ = value<S>(e->weight + channels[k], e->factor);
  }
}

template <Source S>
ConvList ListBuilder::write(const Quad& quad, const Entry* entries, size_t most, Room& room) const {
  ConvList list{};
  list.off = room.off;
  list.w = S == Source::mask ? nullptr : room.w;
  list.boxed = quad.flip;
  for (int set = kQuadSets - 1; set > 0; --set) {
    const Entry *const from = entries + set * most, *const to = quad.next[set];
    list.count[set] = static_cast<uint32_t>(to - from);
    size_t channels[kQuad] = {};
    for (int m = 0, k = 0; m < kQuad; ++m)
      if (set >> m & 1) channels[k++] = m * map_.w_out;
    switch (set_channels(set)) {
      case 4:
        put<S, 4>(from, to, channels, room);
        break;
      case 3:
        put<S, 3>(from, to, channels, room);
        break;
      case 2:
        put<S, 2>(from, to, channels, room);
        break;
      default:
        put<S, 1>(from, to, channels, room);
    }
  }
  return list;
}

// n neighbouring weights, zeros where they are gone.
void ListBuilder::masked(size_t first, size_t n, float* out) const {
  const MaskedArgs a{w_.source, w_.values, w_.mask, w_.squared_scale, first, n, out};
  kernels_.masked(&a);
}

// n places of a quad: out[i][m] = factor * rows[m * step + i].
static void interleave(const float* rows, size_t step, int channels, size_t n, float factor, float* out) {
  // Of known sizes, for the compiler.
  if (channels == kQuad && step == 1)
    for (int m = 0; m < kQuad; ++m) out[m] = factor * rows[m];
  else if (channels == kQuad)
    for (size_t i = 0; i < n; ++i)
      for (int m = 0; m < kQuad; ++m) out[kQuad * i + m] = factor * rows[m * step + i];
  else
    for (size_t i = 0; i < n; ++i)
      for (int m = 0; m < channels; ++m) out[channels * i + m] = factor * rows[m * step + i];
}

// Every place is in the set of all channels the quad has.
void ListBuilder::fill(int group, int first, int end, int from, int to, Room* rooms, ConvList* lists) {
  const size_t base = group * map_.w_group + first * kQuad * map_.w_out, places = (to - from) * taps_;
  const int channels = std::min(map_.out_channels, kQuad * end) - kQuad * first;
  const auto width = [&](int q) { return std::min(kQuad, channels - kQuad * q); };
  if (across_) {
    const size_t all = channels * map_.w_out;
    float* const row = room(scratch_.row, all + channels * taps_);
    float* const taps = taps_ < map_.w_out ? row + all : row;  // the phase's, side by side
    for (int c = from; c < to; ++c) {
      if (c + 2 < to) fetch(base + (c + 2) * map_.w_in, all);
      masked(base + c * map_.w_in, all, row);
      for (int m = 0; taps != row && m < channels; ++m)
        for (size_t t = 0; t < taps_; ++t) taps[m * taps_ + t] = row[m * map_.w_out + weights_[t]];
      const size_t entry = (c - from) * taps_;
      for (int q = 0; q < end - first; ++q)
        interleave(taps + q * kQuad * taps_, taps_, width(q), taps_, factor(group, c),
                   rooms[q].w + entry * width(q));
    }
  } else {
    float* const rows = room(scratch_.row, kQuad * places);
    for (int q = 0; q < end - first; ++q)
      spans_.each(
          base + q * kQuad * map_.w_out, from, to,
          [&](size_t i, size_t entry, size_t n, int c) {
            for (int m = 0; m < width(q); ++m) masked(i + m * map_.w_out, n, rows + m * n);
            interleave(rows, n, width(q), n, factor(group, c), rooms[q].w + entry * width(q));
          },
          places);
  }
  for (int q = 0; q < end - first; ++q) {
    ConvList& list = lists[q] = {};
    list.off = entries_.data();
    list.w = rooms[q].w;
    list.count[low_bits(width(q))] = static_cast<uint32_t>(places);
    rooms[q].w += places * width(q);
  }
}

ConvList ListBuilder::box(const std::vector<int32_t>& taps, int32_t* off) {
  ConvList list{};
  std::copy(taps.begin(), taps.end(), off);
  list.off = off;
  list.count[1] = static_cast<uint32_t>(taps.size());
  return list;
}

void ListBuilder::build(int group, int first, int end, int from, int to, Room* rooms, ConvList* lists) {
  if (filled_) return fill(group, first, end, from, to, rooms, lists);
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
