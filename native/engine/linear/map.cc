#include "map.h"

#include <algorithm>

namespace px {
namespace {

// Convolution: input = o*stride + k*dilation - pad. The transposed one has input and output exchanged.
std::vector<AxisPhase> phases(const LinearAxis& a) {
  std::vector<AxisPhase> all;
  const int residues = a.transposed ? std::min(a.stride, a.out_size) : 1;
  for (int first = 0; first < residues; ++first) {
    AxisPhase p;
    p.first = first;
    p.step = a.transposed ? a.stride : 1;
    p.count = (a.out_size - first + p.step - 1) / p.step;
    p.in_step = a.transposed ? 1 : a.stride;
    for (int k = 0; k < a.taps; ++k) {
      const int64_t reach = int64_t{k} * a.dilation;
      int64_t base = reach - a.pad;
      if (a.transposed) {
        const int64_t t = int64_t{first} + a.pad - reach;
        if (t % a.stride != 0) continue;
        base = t / a.stride;
      }
      const int64_t last = base + int64_t{p.count - 1} * p.in_step;
      if (base >= a.in_size || last < 0) continue;
      // A long step may jump over the whole input.
      const int64_t i = base >= 0 ? 0 : (-base + p.in_step - 1) / p.in_step;
      if (i < p.count && base + i * p.in_step < a.in_size) p.taps.push_back({k, static_cast<int>(base)});
    }
    all.push_back(std::move(p));
  }
  return all;
}

void finish(LinearMap& m) {
  m.taps = 1;
  m.positions = 1;
  size_t in_positions = 1;
  for (auto& a : m.axes) {
    a.phases = phases(a);
    m.taps *= a.taps;
    m.positions *= a.out_size;
    in_positions *= a.in_size;
  }
  m.in_elements = m.in_halo ? m.in_halo->elements() : in_positions * m.groups * m.in_channels;
  m.out_elements = m.out_halo ? m.out_halo->elements() : m.positions * m.groups * m.out_channels;
}

// The outer axes' phases `chosen`, as one list of outputs and one of taps.
void spell_out(const LinearMap& map, const std::vector<size_t>& chosen, Phase& phase) {
  phase.outer_out = {0};
  phase.outer_taps = {{0, {0}}};
  for (size_t n = 0; n + 2 < map.axes.size(); ++n) {
    const LinearAxis& axis = map.axes[n];
    const AxisPhase& p = axis.phases[chosen[n]];
    std::vector<size_t> out;
    for (size_t before : phase.outer_out)
      for (int i = 0; i < p.count; ++i)
        out.push_back(before + (p.first + size_t(i) * p.step) * axis.out_stride);
    std::vector<Phase::Outer> taps;
    for (const auto& before : phase.outer_taps)
      for (const auto& tap : p.taps) {
        Phase::Outer t{before.weight + tap.k * axis.tap_stride, {}};
        bool inside = false;
        for (ptrdiff_t from : before.source)
          for (int i = 0; i < p.count; ++i) {
            const int at = tap.base + i * p.in_step;
            const bool ok = from >= 0 && at >= 0 && at < axis.in_size;
            inside = inside || ok;
            t.source.push_back(ok ? from + static_cast<ptrdiff_t>(at * axis.in_stride) : -1);
          }
        if (inside) taps.push_back(std::move(t));
      }
    phase.outer_out.swap(out);
    phase.outer_taps.swap(taps);
  }
}

}  // namespace

LinearMap LinearMap::forward(const PlanStep& s, const Halo* in, const Halo* out) {
  LinearMap m;
  m.in_halo = in;
  m.out_halo = out;
  m.groups = s.groups;
  m.in_channels = s.in_channels;
  m.out_channels = s.out_channels;
  m.in_channel_stride = in ? in->channel : s.in_layout.channel_stride;
  m.out_channel_stride = out ? out->channel : s.out_layout.channel_stride;
  m.w_group = s.group_stride;
  m.w_out = s.out_stride;
  m.w_in = s.in_stride;
  m.axes.resize(s.spatial.size() < 2 ? 2 - s.spatial.size() : 0);  // of size one, in front
  for (size_t n = 0; n < s.spatial.size(); ++n) {
    const SpatialAxis& a = s.spatial[n];
    LinearAxis axis;
    axis.in_size = a.in_size;
    axis.out_size = a.out_size;
    axis.taps = a.taps;
    axis.stride = a.stride;
    axis.dilation = a.dilation;
    axis.pad = a.pad;
    axis.transposed = s.op == Op::conv_transpose;
    const bool row = n + 2 == s.spatial.size();  // of rows; columns stay neighbours
    axis.in_stride = in && row ? in->row : s.in_layout.spatial_strides[n];
    axis.out_stride = out && row ? out->row : s.out_layout.spatial_strides[n];
    axis.tap_stride = s.tap_strides[n];
    m.axes.push_back(std::move(axis));
  }
  finish(m);
  return m;
}

LinearMap LinearMap::adjoint() const {
  LinearMap m = *this;
  std::swap(m.in_channels, m.out_channels);
  std::swap(m.in_channel_stride, m.out_channel_stride);
  std::swap(m.in_halo, m.out_halo);
  std::swap(m.w_in, m.w_out);
  for (auto& a : m.axes) {
    std::swap(a.in_size, a.out_size);
    std::swap(a.in_stride, a.out_stride);
    a.transposed = !a.transposed;
  }
  finish(m);
  return m;
}

std::vector<Phase> phases_of(const LinearMap& map) {
  std::vector<Phase> all;
  std::vector<size_t> chosen(map.axes.size(), 0);
  for (;;) {
    Phase p;
    const size_t n = map.axes.size();
    p.row_axis = &map.axes[n - 2];
    p.col_axis = &map.axes[n - 1];
    p.row = &p.row_axis->phases[chosen[n - 2]];
    p.col = &p.col_axis->phases[chosen[n - 1]];
    spell_out(map, chosen, p);
    all.push_back(std::move(p));
    size_t a = n;
    while (a-- > 0 && ++chosen[a] == map.axes[a].phases.size()) chosen[a] = 0;
    if (a == static_cast<size_t>(-1)) return all;
  }
}

}  // namespace px
