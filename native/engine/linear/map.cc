#include "map.h"

namespace px {
namespace {

// Convolution: input = o*stride + k*dilation - pad. The transposed one has input and output exchanged.
int source_of(const SpatialAxis& a, bool transposed, int o, int k) {
  const int64_t stride = a.stride, reach = int64_t{k} * a.dilation;
  if (!transposed) {
    const int64_t i = o * stride + reach - a.pad;
    return i >= 0 && i < a.in_size ? static_cast<int>(i) : -1;
  }
  const int64_t t = o + int64_t{a.pad} - reach;
  return t >= 0 && t % stride == 0 && t / stride < a.in_size ? static_cast<int>(t / stride) : -1;
}

// The outputs that read through one tap are evenly spaced, and so are the inputs they read.
void find_runs(LinearAxis& axis) {
  axis.runs.assign(axis.taps, {0, 1, 0, 1, 0});
  for (int k = 0; k < axis.taps; ++k) {
    auto& run = axis.runs[k];
    for (int o = 0; o < axis.out_size; ++o) {
      const int i = axis.source[static_cast<size_t>(o) * axis.taps + k];
      if (i < 0) continue;
      if (run.count == 0) {
        run.first_out = o;
        run.first_in = i;
      } else if (run.count == 1) {
        run.out_step = o - run.first_out;
        run.in_step = i - run.first_in;
      }
      ++run.count;
    }
  }
}

void finish(LinearMap& m) {
  m.taps = 1;
  m.positions = 1;
  size_t in_positions = 1;
  m.tap_offsets.assign(1, 0);
  for (auto& a : m.axes) {
    find_runs(a);
    m.taps *= a.taps;
    m.positions *= a.out_size;
    in_positions *= a.in_size;
    std::vector<size_t> next;
    for (size_t base : m.tap_offsets)
      for (int k = 0; k < a.taps; ++k) next.push_back(base + k * a.tap_stride);
    m.tap_offsets.swap(next);
  }
  m.in_elements = in_positions * m.groups * m.in_channels;
  m.out_elements = m.positions * m.groups * m.out_channels;
}

}  // namespace

LinearMap LinearMap::forward(const Plan&, const PlanStep& s) {
  LinearMap m;
  m.groups = s.groups;
  m.in_channels = s.in_channels;
  m.out_channels = s.out_channels;
  m.in_channel_stride = s.in_layout.channel_stride;
  m.out_channel_stride = s.out_layout.channel_stride;
  m.w_group = s.group_stride;
  m.w_out = s.out_stride;
  m.w_in = s.in_stride;
  const bool transposed = s.op == Op::conv_transpose;
  for (size_t n = 0; n < s.spatial.size(); ++n) {
    const SpatialAxis& a = s.spatial[n];
    LinearAxis axis;
    axis.in_size = a.in_size;
    axis.out_size = a.out_size;
    axis.taps = a.taps;
    axis.in_stride = s.in_layout.spatial_strides[n];
    axis.out_stride = s.out_layout.spatial_strides[n];
    axis.tap_stride = s.tap_strides[n];
    for (int o = 0; o < axis.out_size; ++o)
      for (int k = 0; k < axis.taps; ++k) axis.source.push_back(source_of(a, transposed, o, k));
    m.axes.push_back(std::move(axis));
  }
  if (m.axes.empty()) m.axes.push_back({1, 1, 1, {0}, {}, 1, 1, 0});
  finish(m);
  return m;
}

LinearMap LinearMap::adjoint() const {
  LinearMap m = *this;
  std::swap(m.in_channels, m.out_channels);
  std::swap(m.in_channel_stride, m.out_channel_stride);
  std::swap(m.w_in, m.w_out);
  for (auto& a : m.axes) {
    std::vector<int32_t> source(static_cast<size_t>(a.in_size) * a.taps, -1);
    for (int o = 0; o < a.out_size; ++o)
      for (int k = 0; k < a.taps; ++k) {
        const int i = a.source[static_cast<size_t>(o) * a.taps + k];
        if (i >= 0) source[static_cast<size_t>(i) * a.taps + k] = o;
      }
    a.source.swap(source);
    std::swap(a.in_size, a.out_size);
    std::swap(a.in_stride, a.out_stride);
  }
  finish(m);
  return m;
}

}  // namespace px
