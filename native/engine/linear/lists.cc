#include "lists.h"

namespace px {

int chunk_channels(const LinearMap& map, size_t taps, double density) {
  const double channels = kChunkEntries / (static_cast<double>(taps) * std::max(density, 1e-6));
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
void ListBuilder::collect(int group, int pair, int from, int to, bool flip0, bool flip1, int32_t*& off,
                          float*& w, ConvList& list) {
  const size_t base = group * map_.w_group + static_cast<size_t>(2 * pair) * map_.w_out;
  const bool two = 2 * pair + 1 < map_.out_channels;
  const size_t other = two ? map_.w_out : 0;
  const bool weighted = S != Source::mask || flip0 || flip1;
  const auto value = [&](size_t i, float factor, bool flip) {
    if (S == Source::mask) return flip ? -1.0f : 1.0f;
    if (S == Source::theta) return factor * w_.values[i];
    const float v = w_.values[i] * w_.squared_scale;
    return factor * (v * v);
  };
  first_.clear();
  second_.clear();
  int32_t* const off0 = off;
  for (int c = from; c < to; ++c) {
    const size_t row = base + c * map_.w_in;
    const int32_t place = static_cast<int32_t>((c - from) * channel_);
    const float factor = w_.in_factor ? w_.factor * w_.in_factor[group * map_.in_channels + c] : w_.factor;
    for (size_t t = 0; t < weights_.size(); ++t) {
      const size_t i = row + weights_[t], k = i + other;
      const bool a = Weights::bit(w_.mask, i) != flip0, b = two && Weights::bit(w_.mask, k) != flip1;
      if (a && b) {
        *off++ = place + offsets_[t];
        if (weighted) {
          *w++ = value(i, factor, flip0);
          *w++ = value(k, factor, flip1);
        }
      } else if (a) {
        first_.push_back({place + offsets_[t], weighted ? value(i, factor, flip0) : 1.0f});
      } else if (b) {
        second_.push_back({place + offsets_[t], weighted ? value(k, factor, flip1) : 1.0f});
      }
    }
  }
  list.both = static_cast<uint32_t>(off - off0);
  list.first = static_cast<uint32_t>(first_.size());
  list.second = static_cast<uint32_t>(second_.size());
  for (const auto* part : {&first_, &second_})
    for (const Entry& e : *part) {
      *off++ = e.off;
      if (weighted) *w++ = e.w;
    }
  list.boxed = (flip0 ? 1u : 0u) | (flip1 ? 2u : 0u);
}

ConvList ListBuilder::build(int group, int pair, int from, int to, int32_t*& off, float*& w) {
  ConvList list{};
  list.off = off;
  float* const w0 = w;
  switch (w_.source) {
    case Source::theta:
      collect<Source::theta>(group, pair, from, to, false, false, off, w, list);
      break;
    case Source::theta_squared:
      collect<Source::theta_squared>(group, pair, from, to, false, false, off, w, list);
      break;
    case Source::mask: {
      const size_t base = group * map_.w_group + static_cast<size_t>(2 * pair) * map_.w_out;
      const size_t half = (to - from) * weights_.size() / 2;
      // With one output channel the box sum would serve nobody else.
      const bool box = map_.out_channels > 2 && w_.density > 0.4;
      const bool flip0 = box && kept(base, from, to) > half;
      const bool flip1 = box && 2 * pair + 1 < map_.out_channels && kept(base + map_.w_out, from, to) > half;
      collect<Source::mask>(group, pair, from, to, flip0, flip1, off, w, list);
      break;
    }
  }
  list.w = w == w0 && w_.source == Source::mask && !list.boxed ? nullptr : w0;
  return list;
}

}  // namespace px
