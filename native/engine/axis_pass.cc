#include "axis_pass.h"

namespace px {
namespace {

// A value seen from one axis: [outer][axis][inner], inner counted in floats (lanes included), outer over all sample blocks.
struct View {
  size_t outer, inner;
  View(Grid grid, const std::vector<uint32_t>& shape, uint32_t axis) : outer(grid.blocks), inner(grid.lanes) {
    for (uint32_t a = 0; a < axis; ++a) outer *= shape[a];
    for (size_t a = axis + 1; a < shape.size(); ++a) inner *= shape[a];
  }
};

// Tasks over [outer][row chunk]; fn(outer, first row, rows).
template <typename Fn>
void for_rows(Env& env, const View& v, size_t rows, Fn fn) {
  if (v.inner * rows >= kGrainFloats) {
    const size_t chunk = std::max<size_t>(1, kGrainFloats / v.inner), chunks = (rows + chunk - 1) / chunk;
    env.threads.run(v.outer * chunks, [&](size_t t) {
      const size_t first = t % chunks * chunk;
      fn(t / chunks, first, std::min(chunk, rows - first));
    });
    return;
  }
  for_ranges(env.threads, v.outer, std::max<size_t>(1, kGrainFloats / std::max<size_t>(1, v.inner * rows)),
             [&](size_t lo, size_t hi, size_t) {
               for (size_t o = lo; o < hi; ++o) fn(o, size_t{0}, rows);
             });
}

size_t widest(const AxisMap& m) {
  size_t w = 0;
  for (uint32_t o = 0; o < m.out_size; ++o) w = std::max<size_t>(w, m.start[o + 1] - m.start[o]);
  return w;
}

}  // namespace

AxisMap transposed(const AxisMap& a) {
  AxisMap t;
  t.axis = a.axis;
  t.in_size = a.out_size;
  t.out_size = a.in_size;
  t.start.assign(t.out_size + 1, 0);
  for (uint32_t i : a.index) ++t.start[i + 1];
  for (uint32_t i = 0; i < t.out_size; ++i) t.start[i + 1] += t.start[i];
  t.index.resize(a.index.size());
  t.value.resize(a.value.size());
  std::vector<uint32_t> next(t.start.begin(), t.start.end() - 1);
  for (uint32_t o = 0; o < a.out_size; ++o)
    for (uint32_t e = a.start[o]; e < a.start[o + 1]; ++e) {
      const uint32_t at = next[a.index[e]]++;
      t.index[at] = o;
      if (!a.value.empty()) t.value[at] = a.value[e];
    }
  return t;
}

Value apply_axis(Env& env, Grid grid, std::vector<uint32_t>& shape, const AxisMap& map, Value x, float scale,
                 float fill, bool want_max) {
  const View v(grid, shape, map.axis);
  Value y;
  y.exp = x.exp;
  y.data = env.pool.acquire(v.outer * v.inner * map.out_size);
  SharedMax max;
  for_rows(env, v, map.out_size, [&](size_t o, size_t first, size_t rows) {
    float top = 0.0f;
    const AxisArgs a{x.data.get() + o * map.in_size * v.inner,
                     y.data.get() + (o * map.out_size + first) * v.inner,
                     map.start.data() + first,
                     map.index.data(),
                     map.value.data(),
                     static_cast<int>(rows),
                     v.inner,
                     scale,
                     fill,
                     want_max ? &top : nullptr};
    env.kernels.axis(&a);
    if (want_max) max.add(top);
  });
  y.max = max.get();
  shape[map.axis] = map.out_size;
  return y;
}

Chosen choose_axis(Env& env, Grid grid, std::vector<uint32_t>& shape, const AxisMap& map, Value f,
                   Value companion, bool keep) {
  const View v(grid, shape, map.axis);
  const size_t n = v.outer * v.inner * map.out_size;
  const bool with = static_cast<bool>(companion.data);
  const bool narrow = widest(map) <= 256;
  Chosen out;
  out.f.data = env.pool.acquire(n);
  if (with) {
    out.companion.data = env.pool.acquire(n);
    out.companion.exp = companion.exp;
  }
  if (keep) out.choice = env.pool.acquire_bytes(narrow ? n : n * 4);
  SharedMax max;
  for_rows(env, v, map.out_size, [&](size_t o, size_t first, size_t rows) {
    const size_t in = o * map.in_size * v.inner, at = (o * map.out_size + first) * v.inner,
                 count = rows * v.inner;
    std::vector<uint32_t> wide(keep && narrow ? count : 0);
    uint32_t* choice = !keep    ? nullptr
                       : narrow ? wide.data()
                                : reinterpret_cast<uint32_t*>(out.choice.get()) + at;
    const AxisMaxArgs a{f.data.get() + in,
                        out.f.data.get() + at,
                        with ? companion.data.get() + in : nullptr,
                        with ? out.companion.data.get() + at : nullptr,
                        choice,
                        map.start.data() + first,
                        map.index.data(),
                        static_cast<int>(rows),
                        v.inner};
    env.kernels.axis_max(&a);
    if (with) max.add(env.kernels.largest(a.c_out, count));
    if (keep && narrow) {
      uint8_t* bytes = reinterpret_cast<uint8_t*>(out.choice.get()) + at;
      for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<uint8_t>(wide[i]);
    }
  });
  out.companion.max = max.get();
  shape[map.axis] = map.out_size;
  return out;
}

Value unchoose_axis(Env& env, Grid grid, std::vector<uint32_t>& shape, const AxisMap& map,
                    const Buffer& choice, Value d) {
  const View v(grid, shape, map.axis);
  const bool narrow = widest(map) <= 256;
  const AxisMap back = transposed(map);
  // Which entry of its output an input is.
  std::vector<uint32_t> entries(back.index.size());
  for (uint32_t i = 0; i < map.in_size; ++i)
    for (uint32_t e = back.start[i]; e < back.start[i + 1]; ++e) {
      const uint32_t row = back.index[e];
      while (map.index[map.start[row] + entries[e]] != i) ++entries[e];
    }
  Value y;
  y.exp = d.exp;
  y.data = env.pool.acquire(v.outer * v.inner * map.in_size);
  const uint8_t* bytes = reinterpret_cast<const uint8_t*>(choice.get());
  const uint32_t* words = reinterpret_cast<const uint32_t*>(choice.get());
  SharedMax max;
  for_rows(env, v, map.in_size, [&](size_t o, size_t first, size_t rows) {
    float top = 0.0f;
    const size_t from = o * map.out_size * v.inner;
    for (size_t i = first; i < first + rows; ++i) {
      float* to = y.data.get() + (o * map.in_size + i) * v.inner;
      const uint32_t start = back.start[i], count = back.start[i + 1] - start;
      if (narrow) {
        const AxisBackArgs a{d.data.get() + from,
                             bytes + from,
                             back.index.data() + start,
                             entries.data() + start,
                             count,
                             v.inner,
                             to,
                             &top};
        env.kernels.axis_back(&a);
        continue;
      }
      std::fill(to, to + v.inner, 0.0f);
      for (uint32_t e = start; e < start + count; ++e) {
        const size_t at = from + back.index[e] * v.inner;
        for (size_t l = 0; l < v.inner; ++l)
          to[l] += words[at + l] == entries[e] ? d.data.get()[at + l] : 0.0f;
      }
      top = std::max(top, env.kernels.largest(to, v.inner));
    }
    max.add(top);
  });
  y.max = max.get();
  shape[map.axis] = map.in_size;
  return y;
}

}  // namespace px
