#include "window.h"

#include <string.h>

#include "../error.h"

namespace px {

AxisWindow::AxisWindow(const AxisPhase& phase, int span) : step_(phase.in_step), length_(span) {
  lo_ = phase.taps.front().base;
  for (const auto& t : phase.taps) lo_ = std::min(lo_, t.base);
  for (const auto& t : phase.taps) length_ = std::max(length_, span + (t.base - lo_) / step_);
  for (const auto& t : phase.taps) {
    const int residue = (t.base - lo_) % step_;
    auto it = std::find(residues_.begin(), residues_.end(), residue);
    const int place = static_cast<int>(it - residues_.begin());
    if (it == residues_.end()) residues_.push_back(residue);
    slots_.push_back(place * length_ + (t.base - lo_) / step_);
  }
}

Window::Window(const LinearMap& map, const Phase& phase, int rows, int cols, int slots, int unit)
    : map_(map), phase_(phase), rows_(*phase.row, rows), cols_(*phase.col, cols), unit_(unit) {
  row_ = static_cast<size_t>(cols_.size()) * unit;
  outer_ = rows_.size() * row_;
  slot_ = phase.outer_taps.size() * outer_;
  channel_ = (slots * slot_ + 15) / 16 * 16;
  if (channel_ / 16 % 2 == 0) channel_ += 16;
  if (channel_ > (size_t{1} << 30))
    throw Error("ERR_MEMORY", "a linear step's row is too long to work on; use a smaller --size");
  for (size_t o = 0; o < phase.outer_taps.size(); ++o)
    for (size_t r = 0; r < phase.row->taps.size(); ++r)
      for (size_t c = 0; c < phase.col->taps.size(); ++c) {
        taps_.push_back(static_cast<int32_t>(o * outer_ + rows_.slot(r) * row_ +
                                             static_cast<size_t>(cols_.slot(c)) * unit));
        weights_.push_back(phase.outer_taps[o].weight + phase.row->taps[r].k * phase.row_axis->tap_stride +
                           phase.col->taps[c].k * phase.col_axis->tap_stride);
      }
}

template <bool Add>
static void copy(float* to, const float* from, size_t n) {
  if (!Add) {
    memcpy(to, from, n * sizeof(float));
    return;
  }
  for (size_t i = 0; i < n; ++i) to[i] += from[i];
}

// One channel of one sample block.
template <bool Add>
void Window::channel_of(const float* x, size_t outer, int row, float* out) const {
  const size_t col_stride = phase_.col_axis->in_stride * unit_, length = cols_.length();
  const int in_rows = phase_.row_axis->in_size, in_cols = phase_.col_axis->in_size, step = cols_.step();
  for (const auto& tap : phase_.outer_taps) {
    const ptrdiff_t source = tap.source[outer];
    for (int rr = 0; rr < rows_.residues(); ++rr)
      for (int q = 0; q < rows_.length(); ++q) {
        const int r = rows_.input(rr, q) + row * phase_.row->in_step;
        const bool inside = source >= 0 && r >= 0 && r < in_rows;
        for (int cr = 0; cr < cols_.residues(); ++cr, out += length * unit_) {
          if (!inside) {
            if (!Add) memset(out, 0, length * unit_ * sizeof(float));
            continue;
          }
          // Columns lo + i*step for i in [from, to) are real.
          const int lo = cols_.input(cr, 0), n = static_cast<int>(length);
          const int from = std::min(n, lo >= 0 ? 0 : (-lo + step - 1) / step);
          const int to = lo >= in_cols ? from : std::max(from, std::min(n, (in_cols - 1 - lo) / step + 1));
          const float* in = x + (source + r * phase_.row_axis->in_stride) * unit_;
          if (!Add) memset(out, 0, from * unit_ * sizeof(float));
          if (from < to) {
            in += (lo + from * step) * static_cast<ptrdiff_t>(col_stride);
            if (step == 1 && phase_.col_axis->in_stride == 1)
              copy<Add>(out + from * unit_, in, static_cast<size_t>(to - from) * unit_);
            else
              for (int i = from; i < to; ++i, in += step * col_stride) copy<Add>(out + i * unit_, in, unit_);
          }
          if (!Add) memset(out + to * unit_, 0, (n - to) * unit_ * sizeof(float));
        }
      }
  }
}

void Window::gather(const float* x, size_t first, int count, size_t outer, int row, int block, int slots,
                    float* out) const {
  for (int c = 0; c < count; ++c)
    for (int s = 0; s < slots; ++s)
      channel_of<false>(x + ((block + s) * map_.in_elements + (first + c) * map_.in_channel_stride) * unit_,
                        outer, row, out + c * channel_ + s * slot_);
}

void Window::gather_sum(const float* x, size_t first, int count, size_t outer, int row, int block, int slots,
                        float* out) const {
  gather(x, first, 1, outer, row, block, slots, out);
  for (int c = 1; c < count; ++c)
    for (int s = 0; s < slots; ++s)
      channel_of<true>(x + ((block + s) * map_.in_elements + (first + c) * map_.in_channel_stride) * unit_,
                       outer, row, out + s * slot_);
}

}  // namespace px
