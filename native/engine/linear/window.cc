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

bool reads_in_place(const LinearMap& map, const Phase& phase, Grid grid) {
  constexpr size_t kFarthest = size_t{1} << 30;
  if (grid.lanes == 1 || phase.outer_taps.size() != 1 || phase.outer_out.size() != 1) return false;
  if (phase.col_axis->in_stride != 1 || phase.row->in_step != 1 || phase.col->in_step != 1) return false;
  if (map.in_channels * map.in_channel_stride * grid.lanes > kFarthest) return false;
  const bool joined = phase.row_axis->in_stride == static_cast<size_t>(phase.col->count);
  if ((joined ? phase.row->count : 1) * static_cast<size_t>(phase.col->count) < kMinRow) return false;
  const auto inside = [](const AxisPhase& axis, int size, size_t zeros) {
    const int around = static_cast<int>(zeros);
    return std::all_of(axis.taps.begin(), axis.taps.end(), [&](const AxisPhase::Tap& t) {
      return t.base >= -around && t.base + axis.count - 1 < size + around;
    });
  };
  const Halo* h = map.in_halo;
  return inside(*phase.row, phase.row_axis->in_size, h ? h->below : 0) &&
         inside(*phase.col, phase.col_axis->in_size, h ? h->right : 0);
}

Window::Window(const LinearMap& map, const Phase& phase, int rows, int cols, int slots, int lanes,
               bool in_place)
    : map_(map),
      phase_(phase),
      rows_(*phase.row, rows),
      cols_(*phase.col, cols),
      in_place_(in_place),
      lanes_(lanes) {
  if (in_place) {
    unit_ = lanes_;
    row_ = phase.row_axis->in_stride * lanes_;
    outer_ = 0;
    slot_ = map.in_elements * lanes_;
    channel_ = map.in_channel_stride * lanes_;
    band_ = slots * ((rows_.length() - 1) * row_ + cols_.length() * unit_);
  } else {
    const bool positions = lanes == 1;
    unit_ = positions ? 1 : static_cast<size_t>(slots) * lanes;
    row_ = cols_.length() * unit_;
    outer_ = static_cast<size_t>(rows_.residues()) * cols_.residues() * rows_.length() * row_;
    const size_t whole = phase.outer_taps.size() * outer_;
    slot_ = positions ? whole : lanes;
    channel_ = ((positions ? slots : 1) * whole + 15) / 16 * 16;
    if (channel_ / 16 % 2 == 0) channel_ += 16;
    band_ = channel_;
  }
  if (band_ > (size_t{1} << 30))
    throw Error("ERR_MEMORY", "a linear step's row is too long to work on; use a smaller --size");
  const size_t plane = rows_.length() * row_;
  for (size_t o = 0; o < phase.outer_taps.size(); ++o)
    for (size_t r = 0; r < phase.row->taps.size(); ++r)
      for (size_t c = 0; c < phase.col->taps.size(); ++c) {
        const size_t residues = rows_.residue(r) * cols_.residues() + cols_.residue(c);
        taps_.push_back(static_cast<int32_t>(o * outer_ + residues * plane + rows_.shift(r) * row_ +
                                             cols_.shift(c) * unit_));
        weights_.push_back(phase.outer_taps[o].weight + phase.row->taps[r].k * phase.row_axis->tap_stride +
                           phase.col->taps[c].k * phase.col_axis->tap_stride);
      }
  lay_columns();
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
  if (n == 0) return;
  if (step == lanes)
    memset(to, 0, n * lanes * sizeof(float));
  else
    for (; n > 0; --n, to += step) memset(to, 0, lanes * sizeof(float));
}

// Which of `length` inputs, the first at lo and the next `step` further, lie in [0, size).
static std::pair<int, int> inside(int lo, int step, int length, int size) {
  const int from = lo >= 0 ? 0 : std::min(length, (-lo + step - 1) / step);
  const int to = lo >= size ? from : std::min(length, (size - 1 - lo) / step + 1);
  return {from, std::max(from, to)};
}

void Window::lay_columns() {
  const LinearAxis& axis = *phase_.col_axis;
  for (int residue = 0; residue < cols_.residues(); ++residue) {
    const int lo = cols_.input(residue, 0);
    const auto [from, to] = inside(lo, cols_.step(), cols_.length(), axis.in_size);
    columns_.push_back({from, to, static_cast<ptrdiff_t>((lo + from * cols_.step()) * axis.in_stride)});
  }
  whole_ = unit_ == lanes_ && cols_.residues() == 1 && rows_.step() == 1 && cols_.step() == 1 &&
           columns_[0].from == 0 && columns_[0].to == axis.in_size && cols_.length() == axis.in_size &&
           axis.in_stride == 1 && phase_.row_axis->in_stride == static_cast<size_t>(cols_.length());
}

std::vector<Window::Part> Window::rows_of(size_t outer, int row) const {
  std::vector<Part> rows;
  rows.reserve(phase_.outer_taps.size() * rows_.residues());
  const LinearAxis& axis = *phase_.row_axis;
  for (const auto& tap : phase_.outer_taps) {
    const ptrdiff_t source = tap.source[outer];
    for (int residue = 0; residue < rows_.residues(); ++residue) {
      const int lo = rows_.input(residue, 0) + row * phase_.row->in_step;
      const auto [from, to] = inside(lo, rows_.step(), rows_.length(), source < 0 ? 0 : axis.in_size);
      rows.push_back(
          {from, to, source + static_cast<ptrdiff_t>((lo + from * rows_.step()) * axis.in_stride)});
    }
  }
  return rows;
}

Window::Reach Window::reach(size_t outer, int row) const {
  Reach all{0, 0};
  const ptrdiff_t stride = phase_.row_axis->in_stride;
  for (const Part& rows : rows_of(outer, row)) {
    if (rows.to == rows.from) continue;
    const ptrdiff_t end = rows.at + ((rows.to - rows.from - 1) * rows_.step() + 1) * stride;
    all = all.end == 0 ? Reach{rows.at, end} : Reach{std::min(all.first, rows.at), std::max(all.end, end)};
  }
  return all;
}

// The columns of one residue, of a row of real inputs.
template <bool Add>
void Window::row_of(const float* x, const Part& columns, float* out) const {
  const size_t from = columns.from, to = columns.to, stride = cols_.step() * phase_.col_axis->in_stride;
  if (!Add) clear(out, unit_, from, lanes_);
  copy<Add>(out + from * unit_, unit_, x + columns.at * static_cast<ptrdiff_t>(lanes_), stride * lanes_,
            to - from, lanes_);
  if (!Add) clear(out + to * unit_, unit_, cols_.length() - to, lanes_);
}

// One channel of one sample block.
template <bool Add>
void Window::channel_of(const float* x, const std::vector<Part>& parts, float* out) const {
  const size_t length = rows_.length(), step = rows_.step() * phase_.row_axis->in_stride * lanes_;
  for (const Part& rows : parts)
    for (const Part& columns : columns_) {
      const size_t from = rows.from, to = rows.to;
      const float* in = x + rows.at * static_cast<ptrdiff_t>(lanes_);
      if (!Add) clear(out, unit_, from * cols_.length(), lanes_);
      if (whole_)
        copy<Add>(out + from * row_, lanes_, in, lanes_, (to - from) * cols_.length(), lanes_);
      else
        for (size_t q = from; q < to; ++q, in += step) row_of<Add>(in, columns, out + q * row_);
      if (!Add) clear(out + to * row_, unit_, (length - to) * cols_.length(), lanes_);
      out += length * row_;
    }
}

void Window::gather(const float* x, size_t first, int count, size_t outer, int row, int slot,
                    float* out) const {
  const auto rows = rows_of(outer, row);
  for (int c = 0; c < count; ++c)
    channel_of<false>(x + (first + c) * map_.in_channel_stride * lanes_, rows,
                      out + c * channel_ + slot * slot_);
}

void Window::gather_sum(const float* x, size_t first, int count, size_t outer, int row, int slot,
                        float* out) const {
  const auto rows = rows_of(outer, row);
  out += slot * slot_;
  for (int c = 0; c < count; ++c) {
    const float* const channel = x + (first + c) * map_.in_channel_stride * lanes_;
    c == 0 ? channel_of<false>(channel, rows, out) : channel_of<true>(channel, rows, out);
  }
}

}  // namespace px
