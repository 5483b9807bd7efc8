// A panel of positions of a single sample, gathered into lanes: how g, and small batches, use the kernels made for sample lanes.
#pragma once
#include <vector>

#include "map.h"

namespace px {

constexpr int kPanel = 16;

class Panel {
 public:
  Panel() = default;
  // Output positions [first, first + count) of the map; those beyond the last read zeros and are not written back.
  Panel(const LinearMap& map, size_t first, int count)
      : count_(count), out_(count, -1), source_(static_cast<size_t>(count) * map.taps, -1) {
    std::vector<size_t> index(map.axes.size());
    for (int q = 0; q < count && first + q < map.positions; ++q) {
      size_t rest = first + q;
      ptrdiff_t out = 0;
      for (size_t a = map.axes.size(); a-- > 0;) {
        index[a] = rest % map.axes[a].out_size;
        rest /= map.axes[a].out_size;
        out += static_cast<ptrdiff_t>(index[a] * map.axes[a].out_stride);
      }
      out_[q] = out;
      for (int t = 0; t < map.taps; ++t) source_[static_cast<size_t>(t) * count + q] = source(map, index, t);
    }
  }

  // columns[k - first_k][position], k = tap * in_channels + channel, for k in [first_k, end_k). x starts at the group's first channel.
  void gather(const LinearMap& map, const float* x, int first_k, int end_k, float* columns) const {
    for (int k = first_k; k < end_k; ++k) {
      const int t = k / map.in_channels, c = k % map.in_channels;
      const ptrdiff_t* from = source_.data() + static_cast<size_t>(t) * count_;
      const float* channel = x + c * map.in_channel_stride;
      for (int q = 0; q < count_; ++q) *columns++ = from[q] < 0 ? 0.0f : channel[from[q]];
    }
  }

  // rows[m][position] of the output itself, for the weight gradient; d starts at the first wanted channel.
  void gather_out(const LinearMap& map, const float* d, int rows, float* out) const {
    for (int m = 0; m < rows; ++m)
      for (int q = 0; q < count_; ++q) *out++ = out_[q] < 0 ? 0.0f : d[m * map.out_channel_stride + out_[q]];
  }

  void scatter(const LinearMap& map, const float* rows, int count, float* y) const {
    for (int m = 0; m < count; ++m)
      for (int q = 0; q < count_; ++q)
        if (out_[q] >= 0) y[m * map.out_channel_stride + out_[q]] = rows[m * count_ + q];
  }

 private:
  static ptrdiff_t source(const LinearMap& map, const std::vector<size_t>& index, int tap) {
    ptrdiff_t offset = 0;
    for (size_t a = map.axes.size(); a-- > 0;) {
      const LinearAxis& axis = map.axes[a];
      const int i = axis.source[index[a] * axis.taps + tap % axis.taps];
      if (i < 0) return -1;
      offset += static_cast<ptrdiff_t>(i * axis.in_stride);
      tap /= axis.taps;
    }
    return offset;
  }

  int count_ = 0;
  std::vector<ptrdiff_t> out_, source_;
};

}  // namespace px
