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
    taps_.push_back({place, (t.base - lo_) / step_});
  }
}

Window::Window(const LinearMap& map, const Phase& phase, int rows, int cols, int slots, int lanes)
    : map_(map), phase_(phase), rows_(*phase.row, rows), cols_(*phase.col, cols), lanes_(lanes) {
  const bool positions = lanes == 1;
  unit_ = positions ? 1 : static_cast<size_t>(slots) * lanes;
  row_ = cols_.length() * unit_;
  const size_t plane = rows_.length() * row_;
  outer_ = static_cast<size_t>(rows_.residues()) * cols_.residues() * plane;
  const size_t whole = phase.outer_taps.size() * outer_;
  slot_ = positions ? whole : lanes;
  channel_ = ((positions ? slots : 1) * whole + 15) / 16 * 16;
  if (channel_ / 16 % 2 == 0) channel_ += 16;
  if (channel_ > (size_t{1} << 30))
    throw Error("ERR_MEMORY", "a linear step's row is too long to work on; use a smaller --size");
  for (size_t o = 0; o < phase.outer_taps.size(); ++o)
    for (size_t r = 0; r < phase.row->taps.size(); ++r)
      for (size_t c = 0; c < phase.col->taps.size(); ++c) {
        const size_t residues = rows_.residue(r) * cols_.residues() + cols_.residue(c);
        taps_.push_back(static_cast<int32_t>(o * outer_ + residues * plane + rows_.shift(r) * row_ +
                                             cols_.shift(c) * unit_));
        weights_.push_back(phase.outer_taps[o].weight + phase.row->taps[r].k * phase.row_axis->tap_stride +
                           phase.col->taps[c].k * phase.col_axis->tap_stride);
      }
}

std::vector<int32_t> Window::entries(int channels) const {
  std::vector<int32_t> all;
  all.reserve(channels * taps_.size());
  for (int c = 0; c < channels; ++c)
    for (int32_t tap : taps_) all.push_back(static_cast<int32_t>(c * channel_) + tap);
  return all;
}

// n positions of `lanes` floats each.
template <bool Add>
static void copy(float* to, size_t to_step, const float* from, size_t from_step, size_t n, size_t lanes) {
  if (to_step == lanes && from_step == lanes) {
    lanes *= n;
    n = 1;
  }
  for (; n > 0; --n, to += to_step, from += from_step) {
    if (Add)
      for (size_t l = 0; l < lanes; ++l) to[l] += from[l];
    else if (lanes == 1)
      *to = *from;
    else if (lanes == 16)  // of known sizes: no call
      memcpy(to, from, 16 * sizeof(float));
    else if (lanes == 8)
      memcpy(to, from, 8 * sizeof(float));
    else
      memcpy(to, from, lanes * sizeof(float));
  }
}

static void clear(float* to, size_t step, size_t n, size_t lanes) {
  if (step == lanes)
    memset(to, 0, n * lanes * sizeof(float));
  else
    for (; n > 0; --n, to += step) memset(to, 0, lanes * sizeof(float));
}

// The columns of one residue, of an input row that may lie outside.
template <bool Add>
void Window::row_of(const float* in, bool inside, int residue, float* out) const {
  const int n = cols_.length(), step = cols_.step(), in_cols = phase_.col_axis->in_size;
  // Columns lo + i*step for i in [from, to) are real.
  const int lo = cols_.input(residue, 0);
  const int from = !inside ? n : std::min(n, lo >= 0 ? 0 : (-lo + step - 1) / step);
  const int to = lo >= in_cols ? from : std::max(from, std::min(n, (in_cols - 1 - lo) / step + 1));
  if (!Add) clear(out, unit_, from, lanes_);
  if (from < to) {
    const ptrdiff_t stride = static_cast<ptrdiff_t>(phase_.col_axis->in_stride * lanes_);
    copy<Add>(out + from * unit_, unit_, in + (lo + from * step) * stride, step * stride, to - from, lanes_);
  }
  if (!Add) clear(out + to * unit_, unit_, n - to, lanes_);
}

// One channel of one sample block.
template <bool Add>
void Window::channel_of(const float* x, size_t outer, int row, float* out) const {
  // Rows that are read whole lie side by side here as there.
  const bool whole = rows_.residues() == 1 && cols_.residues() == 1 && cols_.step() == 1 &&
                     rows_.step() == 1 && cols_.input(0, 0) == 0 &&
                     cols_.length() == phase_.col_axis->in_size && phase_.col_axis->in_stride == 1 &&
                     phase_.row_axis->in_stride == static_cast<size_t>(cols_.length()) && unit_ == lanes_;
  for (const auto& tap : phase_.outer_taps) {
    const ptrdiff_t source = tap.source[outer];
    const int top = rows_.input(0, 0) + row;
    if (whole && source >= 0 && top >= 0 && top + rows_.length() <= phase_.row_axis->in_size) {
      const size_t from = source + top * phase_.row_axis->in_stride, n = rows_.length() * row_;
      copy<Add>(out, lanes_, x + from * lanes_, lanes_, n / lanes_, lanes_);
      out += n;
      continue;
    }
    for (int rr = 0; rr < rows_.residues(); ++rr)
      for (int cr = 0; cr < cols_.residues(); ++cr)
        for (int q = 0; q < rows_.length(); ++q, out += row_) {
          const int r = rows_.input(rr, q) + row * phase_.row->in_step;
          const bool inside = source >= 0 && r >= 0 && r < phase_.row_axis->in_size;
          const ptrdiff_t at =
              inside ? source + static_cast<ptrdiff_t>(r * phase_.row_axis->in_stride) : ptrdiff_t{0};
          row_of<Add>(x + at * static_cast<ptrdiff_t>(lanes_), inside, cr, out);
        }
  }
}

void Window::gather(const float* x, size_t first, int count, size_t outer, int row, int slot,
                    float* out) const {
  for (int c = 0; c < count; ++c)
    channel_of<false>(x + (first + c) * map_.in_channel_stride * lanes_, outer, row,
                      out + c * channel_ + slot * slot_);
}

void Window::gather_sum(const float* x, size_t first, int count, size_t outer, int row, int slot,
                        float* out) const {
  gather(x, first, 1, outer, row, slot, out);
  for (int c = 1; c < count; ++c)
    channel_of<true>(x + (first + c) * map_.in_channel_stride * lanes_, outer, row, out + slot * slot_);
}

}  // namespace px
